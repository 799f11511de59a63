/**
 * How often each instruction of a run was executed, and which exit it took. Exits are read from the recording; executions need the run
 * again, instruction by instruction, and only short runs are looked at so. Both go on in slices.
 */

import { INSTRUCTIONS } from '../isa/table.ts'
import { basicExitReason } from '../spec/exit-reasons.ts'
import type { EventKind } from '../spec/trace-events.ts'
import type { TraceReader } from '../trace/file.ts'
import { configOf, inputsOf } from './replay.ts'
import { type WalkStep, walkInSlices } from './walk.ts'

/** Mnemonics of the instructions that may take a VM exit of their own: by a control, or by a bitmap of MSRs or ports. */
export const INTERCEPTED: ReadonlySet<string> = new Set([
  ...INSTRUCTIONS.filter(({ intercept }) => intercept !== null).map(({ mnemonic }) => mnemonic.toLowerCase()),
  ...['rdmsr', 'wrmsr', 'in', 'out'],
])

/** Longer runs are not run again only to count. */
const MOST_INSTRUCTIONS = 2_000_000

const EXITS: ReadonlySet<EventKind> = new Set<EventKind>(['kvm_exit', 'vmx_exit'])

/** Exits that say nothing about the instruction at their RIP. */
const ASYNCHRONOUS: ReadonlySet<number> = new Set([1, 7, 8, 52])

export interface ExitTaken {
  readonly reason: number
  count: number
}

export class Visits {
  /** The exit that the instruction at an address took last, and how many it took. */
  readonly exits = new Map<bigint, ExitTaken>()
  readonly visits = new Map<bigint, number>()
  /** Everything that will be counted is. */
  isWhole = false
  readonly #work: Generator<void, void, undefined>

  constructor(reader: TraceReader) {
    this.#work = this.#count(reader)
  }

  /** Counts on for about so many milliseconds; true when it is done. */
  advance(milliseconds: number): boolean {
    const end = performance.now() + milliseconds
    while (!this.isWhole && performance.now() < end) if (this.#work.next().done) this.isWhole = true
    return this.isWhole
  }

  *#count(reader: TraceReader): Generator<void, void, undefined> {
    for (let n = 0; n < reader.chunkCount; n++) {
      this.#countExits(reader, n)
      yield
    }
    const { end } = reader
    if (end === undefined || end.instructions > MOST_INSTRUCTIONS) return
    const inputs = inputsOf(reader)
    if (inputs.some(([, { device, instructions }]) => device !== 'uart' || instructions > 0)) return // a walk has none on the way
    const input = new Uint8Array(inputs.flatMap(([, { bytes }]) => [...bytes]))
    const options = { input, maxInstructions: end.instructions }
    const visit = ({ rip }: WalkStep): unknown => this.visits.set(rip, (this.visits.get(rip) ?? 0) + 1)
    const steps = walkInSlices(configOf(reader), reader.header.image, options, visit)
    for (const _ of steps) yield
  }

  #countExits(reader: TraceReader, n: number): void {
    const { tables } = reader.chunk(n, EXITS)
    for (const { kind, fields, columns, count } of tables) {
      if (!EXITS.has(kind)) continue
      const reasons = columns[fields.indexOf('reason')] as Uint32Array
      const rips = columns[fields.indexOf('rip')] as BigUint64Array
      for (let row = 0; row < count; row++) {
        const reason = basicExitReason(reasons[row]!)
        if (ASYNCHRONOUS.has(reason)) continue
        const taken = this.exits.get(rips[row]!)
        if (taken?.reason === reason) taken.count++
        else this.exits.set(rips[row]!, { reason, count: (taken?.count ?? 0) + 1 })
      }
    }
  }
}
