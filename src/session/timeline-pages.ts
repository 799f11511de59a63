/** Memory around a linear address, and the walk of the page tables that leads there. */

import type { Image } from '../assembler/image.ts'
import { bitField, hex } from '../base/u64.ts'
import { CR0 } from '../spec/cr-bits.ts'
import type { TimelineView } from './timeline.ts'
import type { GuestRegisters } from './timeline-guest.ts'
import { hostPhysical, linearBytes } from './timeline-memory.ts'
import { heading, type StateRow, valueRow } from './timeline-state.ts'
import { symbolsOf } from './timeline-symbols.ts'

const ENTRY_NAMES = ['PTE', 'PDE', 'PDPTE', 'PML4E']
const ADDRESS = 0x000f_ffff_ffff_f000n
const FLAGS = ['present', 'writable', 'user', 'write-through', 'no-cache', 'accessed', 'dirty', 'large', 'global'] as const

/** What the low bits and bit 63 of an entry say. */
function entryFlags(entry: bigint, isLast: boolean): string {
  const names = FLAGS.filter((name, bit) => ((entry >> BigInt(bit)) & 1n) === 1n && (isLast || !['dirty', 'global'].includes(name)))
  return [...names, ...(bitField(entry, 63, 1) === 1 ? ['no-execute'] : [])].join(' ') || 'not present'
}

/** One row for each table, down to the page. */
export function pageWalkRows(view: TimelineView, { cr0, cr3 }: GuestRegisters, linear: bigint): readonly StateRow[] {
  if (bitField(cr0, CR0.PG, 1) === 0) return [heading('no paging: linear addresses are physical')]
  const rows: StateRow[] = [heading(`page tables from CR3 ${hex(cr3)} to ${hex(linear)}`)]
  let table = Number(cr3 & ADDRESS)
  for (let level = 3; level >= 0; level--) {
    const shift = 12 + 9 * level
    const host = hostPhysical(view, table + bitField(linear, shift, 9) * 8)
    if (host === undefined) return [...rows, valueRow(ENTRY_NAMES[level]!, 'outside memory')]
    const entry = view.machine.memory.read64(host)
    const isLast = level === 0 || (bitField(entry, 7, 1) === 1 && level < 3)
    rows.push(valueRow(`${ENTRY_NAMES[level]}[${bitField(linear, shift, 9)}]`, hex(entry), entryFlags(entry, isLast)))
    if (bitField(entry, 0, 1) === 0) return rows
    if (isLast) {
      const mask = (1n << BigInt(shift)) - 1n
      const physical = Number((entry & ADDRESS & ~mask) | (linear & mask))
      const at = hostPhysical(view, physical)
      return [...rows, valueRow('physical', hex(physical), at === undefined ? 'no memory there' : `host ${hex(at)}`)]
    }
    table = Number(entry & ADDRESS)
  }
  return rows
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
