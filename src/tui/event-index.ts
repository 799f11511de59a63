/**
 * What the screen must know of every event, as typed arrays: kind, level, tick, and the exit span that it opens or closes. Filled chunk
 * by chunk, so that a big trace is on the screen before it is known to its end.
 *
 *     event   exit(2) inject entry(1) exit(1) .. entry(1) exit(1) .. entry(2)
 *     spans   [------------------------------------------------------]         the exit of L2, handled by L1
 *                             [-------]          [-------------]               L1's own exits within
 *
 * An entry of level L closes the exits of levels up to L.
 */

import type { EventKind } from '../spec/trace-events.ts'
import type { TraceReader } from '../trace/file.ts'

export const EXIT_EVENTS: ReadonlySet<EventKind> = new Set<EventKind>(['kvm_exit', 'vmx_exit'])
export const ENTRY_EVENTS: ReadonlySet<EventKind> = new Set<EventKind>(['kvm_entry', 'vmx_entry'])

const NO_COLUMNS: ReadonlySet<EventKind> = new Set()

interface OpenExit {
  readonly index: number
  readonly level: number
  readonly cpu: number
}

export class EventIndex {
  readonly kinds: Uint8Array
  readonly levels: Uint8Array
  readonly ticks: Float64Array
  /** Of an exit the number of the entry that ends it; of an entry the earliest exit that it ends; 0 elsewhere and where there is none. */
  readonly partner: Int32Array
  /** Exits that are open in front of the event. */
  readonly depths: Uint8Array
  /** The level that runs behind the event: 0 inside an exit. */
  readonly running: Uint8Array
  readonly names: EventKind[] = []
  /** Events known so far, from the first one on. */
  known = 0
  readonly #reader: TraceReader
  readonly #numbers = new Map<EventKind, number>()
  #chunk = 0
  #open: OpenExit[] = []
  #running = 0

  constructor(reader: TraceReader) {
    this.#reader = reader
    const { count } = reader
    this.kinds = new Uint8Array(count)
    this.levels = new Uint8Array(count)
    this.ticks = new Float64Array(count)
    this.partner = new Int32Array(count)
    this.depths = new Uint8Array(count)
    this.running = new Uint8Array(count)
  }

  get isWhole(): boolean {
    return this.known === this.kinds.length
  }

  kindAt(index: number): EventKind {
    return this.names[this.kinds[index]!]!
  }

  /** Reads on for about so many milliseconds; true when all is known. */
  advance(milliseconds: number): boolean {
    const end = performance.now() + milliseconds
    while (!this.isWhole && performance.now() < end) this.#readChunk()
    return this.isWhole
  }

  /** The first event at or after a tick, among those known. */
  indexAtTick(tick: number): number {
    let low = 0
    let high = this.known
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.ticks[middle]! < tick) low = middle + 1
      else high = middle
    }
    return low
  }

  #numberOf(kind: EventKind): number {
    const known = this.#numbers.get(kind)
    if (known !== undefined) return known
    this.#numbers.set(kind, this.names.length)
    return this.names.push(kind) - 1
  }

  #readChunk(): void {
    const { count, kinds, cpus, levels, ticks, tables } = this.#reader.chunk(this.#chunk, NO_COLUMNS)
    const start = this.#reader.chunkStart(this.#chunk++)
    const numbers = tables.map(({ kind }) => this.#numberOf(kind))
    const exits = tables.map(({ kind }) => EXIT_EVENTS.has(kind))
    const entries = tables.map(({ kind }) => ENTRY_EVENTS.has(kind))
    this.levels.set(levels, start)
    this.ticks.set(ticks, start)
    for (let at = 0; at < count; at++) {
      const kind = kinds[at]!
      const index = start + at
      this.kinds[index] = numbers[kind]!
      this.depths[index] = this.#open.length
      if (exits[kind]) this.#exit(index, levels[at]!, cpus[at]!)
      else if (entries[kind]) this.#entry(index, levels[at]!, cpus[at]!)
      this.running[index] = this.#running
    }
    this.known = start + count
  }

  #exit(index: number, level: number, cpu: number): void {
    this.#close(level, cpu, -1)
    this.#open.push({ index, level, cpu })
    this.#running = 0
  }

  #entry(index: number, level: number, cpu: number): void {
    this.#close(level, cpu, index)
    this.#running = Math.max(1, level)
  }

  #close(level: number, cpu: number, entry: number): void {
    while (this.#open.length > 0) {
      const top = this.#open.at(-1)!
      if (top.cpu !== cpu || top.level > level) return
      this.#open.pop()
      if (entry < 0) continue
      this.partner[top.index] = entry
      this.partner[entry] = top.index
    }
  }
}
