/**
 * Recording: the header, every event as it happens, a keyframe now and then, and the end with the hash of the whole machine.
 * Two recordings of the same configuration, image and input are equal byte for byte.
 */

import type { Image } from '../assembler/image.ts'
import type { Machine } from '../hw/machine.ts'
import { retired } from '../hw/run.ts'
import { hashMachine, takeSnapshot } from '../hw/snapshot.ts'
import { NEVER } from '../hw/time/event-queue.ts'
import type { TraceEvent } from '../spec/trace-events.ts'
import { createTraceWriter, type PlainObject, type Sink, TRACE_VERSION, type TraceHeader, type TraceWriter } from '../trace/file.ts'
import type { RunConfig } from './config.ts'
import { deliverInput, drive, type GuestRun, type RunEnd, startRun } from './guest-run.ts'

/** A keyframe after so many events or instructions, whichever comes first. */
export const KEYFRAME_EVENTS = 20_000
export const KEYFRAME_INSTRUCTIONS = 500_000

/** An input, and the instructions retired when it comes; or so many events besides, which an instruction that exits makes before it is done. */
export interface PlacedInput {
  readonly device: string
  readonly bytes: Uint8Array
  readonly instructions: number
  readonly events?: number
}

export interface RecordOptions {
  readonly maxInstructions?: number
  /** What the console receives before the guest starts. */
  readonly input?: Uint8Array
  /** What comes later, in order. */
  readonly inputs?: readonly PlacedInput[]
  /** Told of an input that the machine refuses. */
  readonly refused?: (input: PlacedInput) => void
  /** Sees each event after it was recorded. */
  readonly observe?: (event: TraceEvent) => void
  /** Where the trace goes; without it the run is only observed. */
  readonly sink?: Sink
  readonly keyframeEvents?: number
  readonly keyframeInstructions?: number
  /** Sees the machine with the guest booted in it, before anything runs. */
  readonly started?: (guest: GuestRun) => void
}

export interface Recording {
  readonly end: RunEnd
  readonly guest: GuestRun
  readonly hash: string
  /** The trace's identity, empty without a sink. */
  readonly identity: string
  readonly events: number
}

export const headerOf = (config: RunConfig, image: Image): TraceHeader => ({
  version: TRACE_VERSION,
  config: config as unknown as PlainObject,
  image,
})

function keyframeOf(machine: Machine, index: number): Parameters<TraceWriter['keyframe']>[0] {
  const { state, registers, pages } = takeSnapshot(machine, true)
  return {
    index,
    tick: machine.tick,
    instructions: retired(machine),
    state: state as unknown as PlainObject,
    registers,
    pages,
  }
}

/** The last event of a run. */
export const endEvent = (machine: Machine, end: RunEnd, hash: string): TraceEvent => ({
  kind: 'end',
  tick: machine.tick,
  cpu: 0,
  level: 0,
  reason: end.why === '' ? end.reason : `${end.reason}: ${end.why}`,
  status: end.status,
  instructions: retired(machine),
  hash,
})

/** How far a run has come, told between two slices of it. */
export interface Progress {
  readonly instructions: number
  readonly events: number
}

/** A slice ends after so many instructions or turns of the driver, whichever comes first; where it ends is not observable. */
export const SLICE_INSTRUCTIONS = 200_000
export const SLICE_TURNS = 20_000

export function record(config: RunConfig, image: Image, options: RecordOptions = {}): Recording {
  const slices = recordInSlices(config, image, options)
  for (;;) {
    const { done, value } = slices.next(false)
    if (done) return value
  }
}

/**
 * The same in slices, for callers that have something else to look after in between. Answering true ends the run after one more
 * instruction, as if that were its budget: so the recording replays.
 */
export function* recordInSlices(config: RunConfig, image: Image, options: RecordOptions = {}): Generator<Progress, Recording, boolean> {
  const { keyframeEvents = KEYFRAME_EVENTS, keyframeInstructions = KEYFRAME_INSTRUCTIONS } = options
  const writer = options.sink === undefined ? null : createTraceWriter(options.sink, headerOf(config, image))
  let maxInstructions = options.maxInstructions ?? NEVER
  let events = 0
  let lastKeyframe = 0
  let keyframeStop = 0
  let guest: GuestRun | null = null
  const observe = (event: TraceEvent): void => {
    writer?.event(event)
    options.observe?.(event)
    events++
    if (guest !== null && (isKeyframeDue() || isInputDue())) guest.machine.pause = true
  }
  const isKeyframeDue = (): boolean => writer !== null && events - lastKeyframe >= keyframeEvents
  const waiting = [...(options.inputs ?? [])]
  const isInputDue = (): boolean => {
    const input = waiting[0]
    return input !== undefined && guest !== null && input.instructions <= retired(guest.machine) && (input.events ?? 0) <= events
  }
  guest = startRun(config, image, observe)
  options.started?.(guest)
  const { machine } = guest
  const instructions = (): number => retired(machine)
  const keyframe = (): void => {
    machine.pause = false
    lastKeyframe = events
    keyframeStop = instructions() + keyframeInstructions
    writer?.keyframe(keyframeOf(machine, events))
  }
  keyframe()
  if (options.input !== undefined && options.input.length > 0) deliverInput(guest, 'uart', options.input)
  let end: RunEnd | null = null
  while (end === null) {
    while (isInputDue()) {
      const input = waiting.shift()!
      if (!deliverInput(guest, input.device, input.bytes)) options.refused?.(input)
    }
    let turns = 0
    const inputAt = waiting[0] !== undefined && waiting[0].instructions > instructions() ? waiting[0].instructions : NEVER
    const stop = Math.min(maxInstructions, inputAt, keyframeStop, instructions() + SLICE_INSTRUCTIONS)
    end = drive(guest, stop, () => isKeyframeDue() || isInputDue() || ++turns >= SLICE_TURNS)
    if (end !== null && (end.reason !== 'budget' || stop === maxInstructions)) break
    if (isKeyframeDue() || (end !== null && stop === keyframeStop)) keyframe()
    end = null
    if (yield { instructions: instructions(), events }) maxInstructions = Math.min(maxInstructions, instructions() + 1)
  }
  const hash = hashMachine(machine)
  observe(endEvent(machine, end, hash))
  return { end, guest, hash, identity: writer?.finish() ?? '', events }
}
