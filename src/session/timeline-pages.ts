/** Memory around a linear address, and the walk of the page tables that leads there. */

import type { Image } from '../assembler/image.ts'
import { bitField, hex } from '../base/u64.ts'
import type { TimelineView } from './timeline.ts'
import type { GuestRegisters } from './timeline-guest.ts'
import { linearBytes, pageWalk } from './timeline-memory.ts'
import { heading, type StateRow, valueRow } from './timeline-state.ts'
import { symbolsOf } from './timeline-symbols.ts'

const FLAGS = ['present', 'writable', 'user', 'write-through', 'no-cache', 'accessed', 'dirty', 'large', 'global'] as const

/** What the low bits and bit 63 of an entry say. */
function entryFlags(entry: bigint, isLast: boolean): string {
  const names = FLAGS.filter((name, bit) => ((entry >> BigInt(bit)) & 1n) === 1n && (isLast || !['dirty', 'global'].includes(name)))
  return [...names, ...(bitField(entry, 63, 1) === 1 ? ['no-execute'] : [])].join(' ') || 'not present'
}

const NAMES: Readonly<Record<number, string>> = { 48: 'PML5E', 39: 'PML4E', 30: 'PDPTE', 22: 'PDE', 21: 'PDE', 12: 'PTE' }

/** One row for each table, down to the page; of any paging mode. */
export function pageWalkRows(view: TimelineView, registers: GuestRegisters, linear: bigint): readonly StateRow[] {
  const { format, entries, physical, host } = pageWalk(view, registers, linear)
  const head = heading(
    format === null
      ? 'no paging: linear addresses are physical'
      : `page tables${format === '4-level' ? '' : ` (${format})`} from CR3 ${hex(registers.cr3)} to ${hex(linear)}`,
  )
  const indexBits = format === '32-bit' ? 10 : 9
  const rows = entries.map(({ shift, entry }, i) => {
    const isLast = physical !== undefined && i === entries.length - 1
    const index = bitField(linear, shift, format === 'PAE' && shift === 30 ? 2 : indexBits)
    return valueRow(`${NAMES[shift]}[${index}]`, hex(entry), entryFlags(entry, isLast))
  })
  if (physical === undefined) {
    const isPresent = ((entries.at(-1)?.entry ?? 1n) & 1n) === 1n
    return [head, ...rows, ...(isPresent ? [valueRow('the next table', 'outside memory')] : [])]
  }
  return [head, ...rows, valueRow('physical', hex(physical), host === undefined ? 'no memory there' : `host ${hex(host)}`)]
}

const ROW_BYTES = 8
const ROWS = 64

const letter = (byte: number): string => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')

/** Hex and text from an address on, the labels of the program between. */
export function memoryRows(view: TimelineView, registers: GuestRegisters, image: Image, linear: bigint): readonly StateRow[] {
  const byteAt = linearBytes(view, registers)
  const { labelsAt } = symbolsOf(image)
  const rows: StateRow[] = []
  for (let row = 0; row < ROWS; row++) {
    const start = BigInt.asUintN(64, linear + BigInt(row * ROW_BYTES))
    const bytes = Array.from({ length: ROW_BYTES }, (_, at) => byteAt(BigInt.asUintN(64, start + BigInt(at))))
    const labels = Array.from({ length: ROW_BYTES }, (_, at) => labelsAt(start + BigInt(at))).flat()
    rows.push(
      valueRow(
        start.toString(16).padStart(8, '0'),
        bytes.map(byte => (byte === undefined ? '??' : byte.toString(16).padStart(2, '0'))).join(' '),
        [bytes.map(byte => (byte === undefined ? ' ' : letter(byte))).join(''), ...labels].join(' '),
        { kind: 'memory', address: start, bytes: ROW_BYTES },
      ),
    )
  }
  return [heading('memory'), ...rows]
}
