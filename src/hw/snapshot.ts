/**
 * Snapshots: a clone of the plain state, a copy of the register blocks, and the pages of memory written since the last one.
 * Restoring writes into the same buffers; what engines had derived is dropped.
 */

import { createHash } from 'node:crypto'
import { ramOffset } from '../base/layout.ts'
import { PAGE_SIZE } from '../base/units.ts'
import { markMonitored } from './cpu/monitor.ts'
import { BLOCK_BYTES } from './cpu/registers.ts'
import { type Machine, PLAIN_KEYS, type PlainState } from './machine.ts'

export interface Snapshot {
  readonly state: PlainState
  readonly registers: Uint8Array
  /** Memory pages by number, in order. */
  readonly pages: readonly (readonly [page: number, bytes: Uint8Array])[]
}

const registerBytes = (machine: Machine): Uint8Array =>
  new Uint8Array(machine.memory.buffer, 0, ramOffset(machine.config.cpus, BLOCK_BYTES))

const plainStateOf = (machine: Machine): PlainState =>
  Object.fromEntries(PLAIN_KEYS.map(key => [key, machine[key]])) as unknown as PlainState

/** The pages are those written since the last snapshot with `incremental`, else all that may not be zero. */
export function takeSnapshot(machine: Machine, incremental: boolean): Snapshot {
  const { memory } = machine
  const written = memory.takeWrittenPages()
  const pages = incremental ? written : memory.writtenPages()
  return {
    state: structuredClone(plainStateOf(machine)),
    registers: registerBytes(machine).slice(),
    pages: pages.map(page => [page, memory.page(page).slice()] as const),
  }
}

/** `pages` are all that are not zero. The snapshot stays usable. */
export function restoreSnapshot(machine: Machine, { state, registers, pages }: Snapshot): void {
  const { memory } = machine
  memory.clear()
  for (const [page, bytes] of pages) memory.writeBytes(page * PAGE_SIZE, bytes)
  restoreProcessors(machine, { state, registers })
}

/** Back to a snapshot with all pages, from which memory differs in `written` at most: what `restoreSnapshot` does, by these alone. */
export function rewind(machine: Machine, snapshot: Snapshot, written: readonly number[]): void {
  const { memory } = machine
  const kept = new Map(snapshot.pages)
  for (const page of written) memory.writeBytes(page * PAGE_SIZE, kept.get(page) ?? ZERO_PAGE)
  restoreProcessors(machine, snapshot)
}

/** The registers and the plain state; nothing derived stays. */
function restoreProcessors(machine: Machine, { state, registers }: Omit<Snapshot, 'pages'>): void {
  registerBytes(machine).set(registers)
  Object.assign(machine, structuredClone(state))
  machine.decoded.pages.clear()
  machine.memory.unmarkPaging()
  markMonitored(machine)
  for (const engine of machine.engines) {
    engine.delivering = null
    engine.dropTranslations()
    engine.reload()
  }
}

const ZERO_PAGE = new Uint8Array(PAGE_SIZE)

/** SHA-256 over the whole state: equal for equal machines, whatever keyframes were taken or caches filled on the way. */
export function hashMachine(machine: Machine): string {
  const hash = createHash('sha256')
  hash.update(JSON.stringify(plainStateOf(machine), sortedKeys))
  hash.update(registerBytes(machine))
  for (const page of machine.memory.writtenPages()) {
    const bytes = machine.memory.page(page)
    if (Buffer.compare(bytes, ZERO_PAGE) === 0) continue
    hash.update(String(page)).update(bytes)
  }
  return hash.digest('hex')
}

/** One spelling for every plain value. */
function sortedKeys(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return `${value}n`
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}
