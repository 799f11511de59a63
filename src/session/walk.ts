/**
 * A run instruction by instruction: what was executed, from where to where, whoever did it. An instruction that exits and that KVM
 * emulates is done when KVM enters the guest behind it; one that is interrupted before it begins is not done yet.
 *
 *     guest   mov -> wrmsr                      -> hlt
 *     KVM              exit, emulate, entry ----^       the WRMSR is done at the entry, whose RIP says so
 */

import type { Image } from '../assembler/image.ts'
import { retired } from '../hw/run.ts'
import type { TraceEvent } from '../spec/trace-events.ts'
import type { RunConfig } from './config.ts'
import { deliverInput, type GuestRun, startRun, turn } from './guest-run.ts'
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

/** The instruction that the guest stands before. */
interface Begun {
  readonly rip: bigint
  readonly instructions: number
  readonly event: number
}

/** Runs the guest to its end, or to its last allowed instruction, and visits every instruction that is done. */
export function walk(config: RunConfig, image: Image, options: WalkOptions, visit: (step: WalkStep) => void): void {
  for (const _ of walkInSlices(config, image, options, visit));
}

/** Turns of the driver in a slice. */
const SLICE_TURNS = 256

/** The same in slices, for callers that have something else to look after in between. */
export function* walkInSlices(
  config: RunConfig,
  image: Image,
  options: WalkOptions,
  visit: (step: WalkStep) => void,
): Generator<void, void, undefined> {
  let events = 0
  let guest: GuestRun | null = null
  const current: { begun: Begun | null } = { begun: null }
  const viewOf = ({ machine }: GuestRun): TimelineView => ({
    machine,
    instructions: retired(machine),
    eventIndex: events,
    tick: machine.tick,
    cpu: machine.turn.cpu,
  })
  /** The guest stands before the instruction at `rip`; `isDone` says whether the one before was executed. */
  const stand = (at: GuestRun, rip: bigint, isDone: (begun: Begun, instructions: number) => boolean): void => {
    const { begun } = current
    const instructions = retired(at.machine)
    if (begun !== null && isDone(begun, instructions)) visit({ rip: begun.rip, next: rip, event: begun.event, view: viewOf(at) })
    current.begun = { rip, instructions, event: events }
  }
  const observe = (event: TraceEvent): void => {
    if (event.kind === 'kvm_entry' && guest !== null) stand(guest, event.rip, begun => begun.rip !== event.rip)
    events++
    if (guest !== null) guest.machine.pause = true
  }
  guest = startRun(config, image, observe)
  if (options.input !== undefined && options.input.length > 0) deliverInput(guest, 'uart', options.input)
  for (let turns = 1; ; turns++) {
    if (turns % SLICE_TURNS === 0) yield
    const { machine } = guest
    const { vmx } = machine.cpus[0]!
    const instructions = retired(machine)
    if (config.mode === 'bare' || vmx.mode === 'non-root')
      stand(guest, machine.registers[0]!.rip[0]!, (begun, retired) => retired > begun.instructions)
    if (instructions >= options.maxInstructions) return
    if (turn(guest, instructions + 1) === null) continue
    const { begun } = current
    if (begun !== null) visit({ rip: begun.rip, next: null, event: begun.event, view: viewOf(guest) })
    return
  }
}
