/**
 * A run instruction by instruction: what was executed, from where to where, whoever did it. An instruction that exits and that KVM
 * emulates is done when KVM enters the guest behind it; one that is interrupted before it begins is not done yet.
 *
 *     guest   mov -> wrmsr                      -> hlt
 *     KVM              exit, emulate, entry ----^       the WRMSR is done at the entry, whose RIP says so
 */

import type { Image } from '../assembler/image.ts'
import type { Machine } from '../hw/machine.ts'
import { retired } from '../hw/run.ts'
import type { TraceEvent } from '../spec/trace-events.ts'
import type { RunConfig } from './config.ts'
import { deliverInput, startRun, turn } from './guest-run.ts'
import type { TimelineView } from './timeline.ts'

/** One executed instruction. */
export interface WalkStep {
  readonly rip: bigint
  /** Where it led; null for the last one of the run. */
  readonly next: bigint | null
  /** Number of the first event that was not there before the instruction. */
  readonly event: number
  /** The machine behind the instruction, good until the visit returns. */
  readonly view: TimelineView
}

export interface WalkOptions {
  readonly input?: Uint8Array
  readonly maxInstructions: number
}

/** The instruction that a CPU stands before. */
interface Begun {
  readonly rip: bigint
  /** That the CPU has retired. */
  readonly instructions: number
  readonly event: number
}

/** Runs the guest to its end, or to its last allowed instruction, and visits every instruction that is done. */
export function walk(config: RunConfig, image: Image, options: WalkOptions, visit: (step: WalkStep) => void): void {
  for (const _ of walkInSlices(config, image, options, visit));
}

/** Instructions in a slice, at most. */
const SLICE_INSTRUCTIONS = 256

/** The same in slices, for callers that have something else to look after in between. */
export function* walkInSlices(
  config: RunConfig,
  image: Image,
  options: WalkOptions,
  visit: (step: WalkStep) => void,
): Generator<void, void, undefined> {
  const walker = new Walker(visit)
  const guest = startRun(config, image, event => walker.observe(event))
  const { machine } = guest
  walker.follow(machine)
  if (options.input !== undefined && options.input.length > 0) deliverInput(guest, 'uart', options.input)
  for (;;) {
    const instructions = retired(machine)
    if (instructions >= options.maxInstructions) return
    const end = turn(guest, Math.min(options.maxInstructions, instructions + SLICE_INSTRUCTIONS))
    walker.settle()
    if (end !== null) return walker.end()
    yield
  }
}

class Walker {
  readonly #visit: (step: WalkStep) => void
  #machine: Machine | null = null
  /** Of each CPU. */
  #begun: (Begun | null)[] = []
  #events = 0

  constructor(visit: (step: WalkStep) => void) {
    this.#visit = visit
  }

  follow(machine: Machine): void {
    this.#machine = machine
    this.#begun = machine.cpus.map(() => null)
    machine.look = engine => {
      this.settle()
      this.#stand(engine.index, engine.rip)
      return false
    }
  }

  observe(event: TraceEvent): void {
    if (event.kind === 'kvm_entry' && this.#machine !== null) {
      const begun = this.#begun[event.cpu]
      if (begun && begun.rip !== event.rip) this.#done(event.cpu, event.rip)
      this.#stand(event.cpu, event.rip)
    }
    this.#events++
  }

  /** Visits what was retired since the last look; at most one CPU's last instruction. */
  settle(): void {
    const { cpus, engines } = this.#machine!
    for (const [cpu, begun] of this.#begun.entries())
      if (begun !== null && cpus[cpu]!.instructions > begun.instructions) this.#done(cpu, engines[cpu]!.rip)
  }

  /** What ended the run is done, whether it retired or not. */
  end(): void {
    this.#done(this.#machine!.turn.cpu, null)
  }

  #stand(cpu: number, rip: bigint): void {
    this.#begun[cpu] = { rip, instructions: this.#machine!.cpus[cpu]!.instructions, event: this.#events }
  }

  #done(cpu: number, next: bigint | null): void {
    const begun = this.#begun[cpu]
    if (!begun) return
    this.#begun[cpu] = null
    const machine = this.#machine!
    for (const engine of machine.engines) engine.flush()
    const view = { machine, instructions: retired(machine), eventIndex: this.#events, tick: machine.tick, cpu }
    this.#visit({ rip: begun.rip, next, event: begun.event, view })
  }
}
