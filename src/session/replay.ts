/**
 * Replay: the same machine, the recorded inputs at their places, and every observation compared. The first unequal one is a
 * `Divergence`: a result, not an exception.
 */

import { retired } from '../hw/run.ts'
import { hashMachine, restoreSnapshot, type Snapshot } from '../hw/snapshot.ts'
import { NEVER } from '../hw/time/event-queue.ts'
import type { EventKind, EventOf, TraceEvent } from '../spec/trace-events.ts'
import type { TraceReader } from '../trace/file.ts'
import { sameEvent } from './compare.ts'
import type { RunConfig } from './config.ts'
import { deliverInput, drive, emptyRun, endRun, type GuestRun, type RunEnd, reattach, startRun } from './guest-run.ts'
import { endEvent, type Progress, SLICE_INSTRUCTIONS, SLICE_TURNS } from './record.ts'
import { recordedConfig } from './recorded-config.ts'

export interface Divergence {
  /** Event number, from 0, in the recording. */
  readonly index: number
  readonly tick: number
  /** Null: the recording, or the replay, ended before. */
  readonly expected: TraceEvent | null
  readonly actual: TraceEvent | null
  /** The most likely cause, in words. */
  readonly cause: string
}

export type ReplayResult =
  | { readonly kind: 'same'; readonly events: number; readonly hash: string; readonly end: RunEnd | null }
  | { readonly kind: 'diverged'; readonly divergence: Divergence }

export interface ReplayOptions {
  /** Keyframe to start from; without it the guest is booted anew. */
  readonly keyframe?: number
  /** TLB and decode cache, which must not be observable. */
  readonly caching?: boolean
  readonly observe?: (event: TraceEvent) => void
}

/** What the trace was recorded with; a `TraceFileError` where that is not a configuration. */
export const configOf = (reader: TraceReader): RunConfig => recordedConfig(reader.header)

/** The whole state at a keyframe. */
export function snapshotAt(reader: TraceReader, keyframe: number): Snapshot {
  const { state, registers } = reader.keyframe(keyframe)
  return { state: state as unknown as Snapshot['state'], registers, pages: [...reader.pagesUpTo(keyframe)] }
}

/** A machine at a keyframe, ready to run on. */
export function restoreRun(reader: TraceReader, keyframe: number, caching = true): GuestRun {
  const guest = emptyRun(configOf(reader), reader.header.image, caching)
  restoreSnapshot(guest.machine, snapshotAt(reader, keyframe))
  reattach(guest)
  return guest
}

/** Follows a recording from event `index` on: delivers its inputs and compares everything else. */
class Follower {
  readonly reader: TraceReader
  index: number
  divergence: Divergence | null = null
  #nextInput = 0
  readonly #observe: ((event: TraceEvent) => void) | undefined

  constructor(reader: TraceReader, index: number, observe: ((event: TraceEvent) => void) | undefined) {
    this.reader = reader
    this.index = index
    this.#observe = observe
  }

  get expected(): TraceEvent | null {
    return this.index < this.reader.count ? this.reader.event(this.index) : null
  }

  /** There is nothing more to compare. */
  get isOver(): boolean {
    return this.divergence !== null || this.expected === null
  }

  /** The instructions at which the recording stopped, if it was its budget that stopped it. */
  get budget(): number {
    const { end } = this.reader
    return end?.reason === 'budget' ? end.instructions : NEVER
  }

  nextInput(): EventOf<'input'> | null {
    return this.#placedInput()?.[1] ?? null
  }

  /** What comes next is not the machine's doing. */
  get isInputNext(): boolean {
    return this.#placedInput()?.[0] === this.index
  }

  #placedInput(): readonly [number, EventOf<'input'>] | undefined {
    const inputs = inputsOf(this.reader)
    while (this.#nextInput < inputs.length && inputs[this.#nextInput]![0] < this.index) this.#nextInput++
    return inputs[this.#nextInput]
  }

  /** The machine says that something happened. */
  see(event: TraceEvent): boolean {
    if (this.divergence !== null) return false
    const { expected } = this
    if (expected === null && this.reader.truncated !== undefined) return false
    if (expected === null || !sameEvent(expected, event)) {
      this.divergence = { index: this.index, tick: event.tick, expected, actual: event, cause: causeOf(expected, event) }
      return false
    }
    this.#observe?.(event)
    this.index++
    return true
  }
}

export function replay(reader: TraceReader, options: ReplayOptions = {}): ReplayResult {
  const slices = replayInSlices(reader, options)
  for (;;) {
    const { done, value } = slices.next()
    if (done) return value
  }
}

/** The same in slices, for callers that have something else to look after in between. */
export function* replayInSlices(reader: TraceReader, options: ReplayOptions = {}): Generator<Progress, ReplayResult, unknown> {
  const { keyframe, caching = true } = options
  const start = keyframe === undefined ? 0 : reader.keyframe(keyframe).index
  const follower = new Follower(reader, start, options.observe)
  let guest: GuestRun | null = null
  const observe = (event: TraceEvent): void => {
    if ((!follower.see(event) || follower.isInputNext) && guest !== null) guest.machine.pause = true
  }
  guest = keyframe === undefined ? startRun(configOf(reader), reader.header.image, observe, caching) : restoreRun(reader, keyframe, caching)
  guest.machine.observe = observe
  const end = yield* follow(guest, follower)
  const hash = hashMachine(guest.machine)
  if (end !== null && follower.divergence === null) follower.see(endEvent(guest.machine, end, hash))
  endRun(guest)
  if (follower.divergence !== null) return { kind: 'diverged', divergence: follower.divergence }
  return { kind: 'same', events: follower.index - start, hash, end }
}

/** Runs on until the replay diverges, or the recording or the guest ends. */
function* follow(guest: GuestRun, follower: Follower): Generator<Progress, RunEnd | null, unknown> {
  for (;;) {
    if (follower.isOver) return null
    const input = follower.nextInput()
    const instructions = retired(guest.machine)
    if (input !== null && follower.expected?.kind === 'input' && instructions >= input.instructions) {
      deliverInput(guest, input.device, input.bytes)
      continue
    }
    const nextInput = input !== null && instructions < input.instructions ? input.instructions : NEVER
    const stop = Math.min(nextInput, follower.budget, instructions + SLICE_INSTRUCTIONS)
    let turns = 0
    const end = drive(guest, stop, () => follower.isOver || follower.expected?.kind === 'input' || ++turns >= SLICE_TURNS)
    if (end !== null && (end.reason !== 'budget' || stop === follower.budget)) return end
    yield { instructions: retired(guest.machine), events: follower.index }
  }
}

const INPUT: ReadonlySet<EventKind> = new Set(['input'])

const inputCache = new WeakMap<TraceReader, readonly (readonly [number, EventOf<'input'>])[]>()

/** The inputs of a recording with their event numbers. */
export function inputsOf(reader: TraceReader): readonly (readonly [number, EventOf<'input'>])[] {
  const known = inputCache.get(reader)
  if (known) return known
  const inputs = [...reader.entriesOfKinds(INPUT)] as (readonly [number, EventOf<'input'>])[]
  inputCache.set(reader, inputs)
  return inputs
}

const CONSOLE_PORTS = { first: 0x3f8, last: 0x3ff }

/** Where a difference most likely comes from: what the guest read from the console says that an input is missing or another. */
function causeOf(expected: TraceEvent | null, actual: TraceEvent): string {
  for (const event of [actual, expected]) {
    if (
      (event?.kind === 'pio' || event?.kind === 'kvm_pio') &&
      event.write === 0 &&
      event.port >= CONSOLE_PORTS.first &&
      event.port <= CONSOLE_PORTS.last
    )
      return 'the guest reads other console input than when it was recorded: an input event was dropped or altered'
  }
  if (actual.kind === 'end' && expected?.kind === 'end')
    return 'every event is the same but the final state is not: it was altered, or the machine of the vtick that recorded it was another'
  return 'the trace was altered, or it was recorded by a vtick whose CPU or KVM behaves differently'
}
