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
}

/** What runs on a CPU, and the exits that are open there. */
interface CpuState {
  readonly open: OpenExit[]
  running: number
}

export class EventIndex {
  readonly kinds: Uint8Array
  readonly levels: Uint8Array
  readonly ticks: Float64Array
  /** Of an exit the number of the entry that ends it; of an entry the earliest exit that it ends; 0 elsewhere and where there is none. */
  readonly partner: Int32Array
  readonly cpus: Uint8Array
  /** Exits that are open on its CPU in front of the event. */
  readonly depths: Uint8Array
  /** The level that runs on its CPU behind the event: 0 inside an exit. */
  readonly running: Uint8Array
  readonly names: EventKind[] = []
  /** Events known so far, from the first one on. */
  known = 0
  readonly #reader: TraceReader
  readonly #numbers = new Map<EventKind, number>()
  #chunk = 0
  readonly #states = new Map<number, CpuState>()

  constructor(reader: TraceReader) {
    this.#reader = reader
    const { count } = reader
    this.kinds = new Uint8Array(count)
    this.levels = new Uint8Array(count)
    this.ticks = new Float64Array(count)
    this.partner = new Int32Array(count)
    this.depths = new Uint8Array(count)
    this.cpus = new Uint8Array(count)
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

  /** The level that runs on a CPU in front of an event: what its last event left, among the last million of all. */
  levelBefore(index: number, cpu: number): number {
    const end = Math.max(0, index - 1_000_000)
    for (let at = index - 1; at >= end; at--) if (this.cpus[at] === cpu) return this.running[at]!
    return 0
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
    this.cpus.set(cpus, start)
    this.ticks.set(ticks, start)
    for (let at = 0; at < count; at++) {
      const kind = kinds[at]!
      const index = start + at
      this.kinds[index] = numbers[kind]!
      const state = this.#stateOf(cpus[at]!)
      this.depths[index] = state.open.length
      if (exits[kind]) this.#exit(state, index, levels[at]!)
      else if (entries[kind]) this.#entry(state, index, levels[at]!)
      this.running[index] = state.running
    }
    this.known = start + count
  }

  #stateOf(cpu: number): CpuState {
    const state = this.#states.get(cpu) ?? { open: [], running: 0 }
    this.#states.set(cpu, state)
    return state
  }

  #exit(state: CpuState, index: number, level: number): void {
    this.#close(state, level, -1)
    state.open.push({ index, level })
    state.running = 0
  }

  #entry(state: CpuState, index: number, level: number): void {
    this.#close(state, level, index)
    state.running = Math.max(1, level)
  }

  #close({ open }: CpuState, level: number, entry: number): void {
    while (open.length > 0 && open.at(-1)!.level <= level) {
      const top = open.pop()!
      if (entry < 0) continue
      this.partner[top.index] = entry
      this.partner[entry] = top.index
    }
  }
}
