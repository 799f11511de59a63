/**
 * Any moment of a recorded run: the nearest known state before it is restored and run forward, with the recorded inputs at their
 * places. One machine is restored again and again, so a view holds until the next one is asked for.
 *
 *     keyframes of the file     K . . . . . . . . . . . . . . . K . . . . . . .
 *     kept in memory            K     s     s     s  sss        K
 *     asked for                                        ^
 *
 * What KVM does between a VM exit and the next entry is one step of the driver. A moment inside it is reached by leaving the step
 * half done: the machine can be looked at, and is restored before it runs again.
 */

import { assert } from '../base/assert.ts'
import type { Engine } from '../hw/cpu/engine.ts'
import type { Machine } from '../hw/machine.ts'
import type { Watch } from '../hw/memory.ts'
import { retired } from '../hw/run.ts'
import type { Snapshot } from '../hw/snapshot.ts'
import { NEVER } from '../hw/time/event-queue.ts'
import { type EventKind, type EventOf, TRACE_EVENTS, type TraceEvent } from '../spec/trace-events.ts'
import type { TraceReader } from '../trace/file.ts'
import { sameEvent } from './compare.ts'
import { deliverInput, drive, emptyRun, type GuestRun, isAboutToExecute, type RunEnd, reattach } from './guest-run.ts'
import { otherMachine } from './recorded-machine.ts'
import { configOf, snapshotAt } from './replay.ts'
import { TimelineKeyframes } from './timeline-keyframes.ts'
import { EventKinds } from './timeline-kinds.ts'
import { isAfter, type Place, TimelineSnapshots } from './timeline-snapshots.ts'

export { isAfter, type Place } from './timeline-snapshots.ts'

/** A moment of the run. Good until the timeline is asked for another one. */
export interface TimelineView {
  /** To be read only. */
  readonly machine: Machine
  /** Instructions retired so far. */
  readonly instructions: number
  /** Events emitted so far: the number of the next one. */
  readonly eventIndex: number
  readonly tick: number
  /** Whose turn it is. */
  readonly cpu: number
}

/** Asked at a moment, before its instruction runs: whether to stay. `Timeline.here` shows the whole state then. */
export type Look = NonNullable<Machine['look']>

/** Instructions between kept states: far from what was asked for, and near it. */
const FAR_STRIDE = 16_384
const NEAR_STRIDE = 1024
/** While a long stretch is looked through, a state is kept after so many of the far strides. */
const SCANNED_STRIDES = 16

/** Leaves a step of KVM half done. */
class HalfWay {}

const INPUT: ReadonlySet<EventKind> = new Set(['input'])

export class Timeline {
  readonly reader: TraceReader
  readonly kinds: EventKinds
  readonly keyframes: TimelineKeyframes
  /** The first event that came out otherwise than recorded; -1 while none did. */
  divergedAt = -1
  readonly #guest: GuestRun
  readonly #snapshots: TimelineSnapshots
  /** The only keyframe of a trace whose own this machine cannot be put to. */
  readonly #boot: Snapshot | null
  /** Of each event seen so far, the instructions retired when it was emitted. */
  readonly #instructionsAt = new Map<number, number>()
  #events = 0
  /** The event at whose emission to stop. */
  #target = -1
  /** The event that was asked for last, while the machine has not moved since. */
  #standsAt = -1
  /** Every event stops the machine before the next instruction. */
  #pausesAtEvents = false
  /** The machine stands between two turns of the driver and may run on. */
  #runnable = false
  #end: RunEnd | null = null
  #lastKept = 0
  #strideFactor = 1

  constructor(reader: TraceReader) {
    assert(reader.keyframeCount > 0, 'a timeline starts at a keyframe')
    this.reader = reader
    this.kinds = new EventKinds(reader)
    this.#guest = emptyRun(configOf(reader), reader.header.image)
    this.#guest.machine.observe = event => this.#see(event)
    this.#snapshots = new TimelineSnapshots(this.#guest.machine)
    this.#boot = otherMachine(reader)?.boot ?? null
    this.keyframes = new TimelineKeyframes(reader, this.#boot !== null)
  }

  /** Instructions that the whole run retired; infinite where a truncated recording does not say. */
  get instructions(): number {
    return this.reader.end?.instructions ?? Number.POSITIVE_INFINITY
  }

  /** The moment event `index` was emitted; for one of the silicon's, the end of the instruction that caused it. */
  atEvent(index: number): TimelineView {
    return finished(this.seekEvent(index))
  }

  /** The earliest moment at which `count` instructions had been retired; the end of the run if it has fewer. */
  atInstruction(count: number): TimelineView {
    return finished(this.seekInstruction(count))
  }

  /**
   * The moment at this place when the guest is about to execute: what is due has happened, interrupts are delivered. An instruction
   * that exits does not retire, so only instructions and events together are a place. The end of the run if it ends before.
   */
  atMoment(place: Place): TimelineView {
    return finished(this.seek(place))
  }

  /** `atEvent` in pieces of some milliseconds, for callers that have something else to look after; leave it half done to give up. */
  *seekEvent(index: number): Generator<Place, TimelineView, void> {
    assert(index >= 0 && index < this.reader.count, `the trace has an event ${index}`)
    if (this.#standsAt === index) return this.#view()
    this.#approach(place => place.events <= index)
    this.#target = index
    yield* this.#run(() => this.#events > index, this.#instructionsAt.get(index) ?? this.keyframes.guessedInstructions(index), NEVER)
    this.#target = -1
    this.#standsAt = index
    return this.#view()
  }

  /** `atInstruction` in pieces. */
  *seekInstruction(count: number): Generator<Place, TimelineView, void> {
    this.#approach(place => place.instructions < count)
    yield* this.#run(() => this.#now >= count, count, count)
    return this.#view()
  }

  /** How far `atEvent` would run, as far as can be told without running: since the nearest state that is known. */
  distanceToEvent(index: number): Place {
    if (this.#standsAt === index) return { instructions: 0, events: 0 }
    const from = this.#nearest(place => place.events <= index)
    const guess = this.#instructionsAt.get(index) ?? this.keyframes.guessedInstructions(index)
    return { instructions: guess === NEVER ? 0 : Math.max(0, guess - from.instructions), events: Math.max(0, index - from.events) }
  }

  /** The same for `atInstruction`. */
  distanceToInstruction(count: number): Place {
    const from = this.#nearest(place => place.instructions < count)
    return { instructions: Math.max(0, count - from.instructions), events: Math.max(0, this.keyframes.guessedEvents(count) - from.events) }
  }

  /** `atMoment` in pieces. */
  *seek({ instructions, events }: Place): Generator<Place, TimelineView, void> {
    this.#approach(place => place.instructions < instructions)
    const isThere = (): boolean => this.#now >= instructions && isAboutToExecute(this.#guest, this.#now)
    yield* this.#run(isThere, instructions, instructions)
    while (this.#now <= instructions && this.#events < events && this.nextMoment() !== undefined);
    return this.#view()
  }

  /** The first moment behind keyframe `n`: all that follows it is still to come. */
  *seekKeyframe(n: number): Generator<Place, TimelineView, void> {
    this.#settle()
    this.#goToKeyframe(n)
    const { instructions } = this.keyframes.place(n)
    yield* this.#run(() => isAboutToExecute(this.#guest, this.#now), instructions, instructions)
    return this.#view()
  }

  /** Keeps the state of this moment: more will be asked about what lies close behind it. */
  keepHere(): void {
    if (this.#runnable) this.#keep()
  }

  /** From a moment of `atMoment` on to the next one: one instruction retired, or exited. Undefined when the run has ended. */
  nextMoment(): TimelineView | undefined {
    const { instructions, eventIndex } = this.#view()
    const hasMoved = (): boolean => this.#now > instructions || this.#events > eventIndex
    this.#pausesAtEvents = true
    finished(this.#run(() => hasMoved() && isAboutToExecute(this.#guest, this.#now), instructions + 1, instructions + 1))
    this.#pausesAtEvents = false
    return this.#isOver ? undefined : this.#view()
  }

  /**
   * From a moment on through the later ones, in pieces, each shown to `look` (the present one first), until that answers true or a
   * moment is not before `until`. False: the run ended. What it costs is little more than running. `watch` is told of every store on
   * the way, when it happens.
   */
  *scan(until: Place, look: Look, watch?: Watch): Generator<Place, boolean, void> {
    const { machine } = this.#guest
    let isFound = false
    let shownInstructions = -1
    let shownEvents = -1
    this.#settle()
    if (watch !== undefined) machine.memory.watch(watch)
    machine.look = engine => {
      const instructions = this.#now
      const events = this.#events
      if (instructions === shownInstructions && events === shownEvents) return isFound // a piece ended here
      shownInstructions = instructions
      shownEvents = events
      const isOver = instructions > until.instructions || (instructions === until.instructions && events >= until.events)
      isFound = look(engine) || isOver
      return isFound
    }
    this.#strideFactor = SCANNED_STRIDES
    yield* this.#run(() => isFound, NEVER, NEVER)
    this.#settle()
    return isFound
  }

  /** The machine as it stands, for whoever is asked to look at a moment. */
  here(): TimelineView {
    for (const engine of this.#guest.machine.engines) engine.flush()
    return this.#view()
  }

  /** Instructions retired when event `index` was emitted. Takes the machine there if that is not known yet. */
  instructionOfEvent(index: number): number {
    const known = this.#instructionsAt.get(index)
    if (known !== undefined) return known
    const { instructions } = this.atEvent(index)
    return this.#instructionsAt.get(index) ?? instructions // the boot's own events stand before the first keyframe
  }

  /** The CPUs, which are the same ones at every moment. */
  get engines(): readonly Engine[] {
    return this.#guest.machine.engines
  }

  /** Where the machine stands. */
  get place(): Place {
    return { instructions: this.#now, events: this.#events }
  }

  get #now(): number {
    return retired(this.#guest.machine)
  }

  #view(): TimelineView {
    const { machine } = this.#guest
    return { machine, instructions: this.#now, eventIndex: this.#events, tick: machine.tick, cpu: machine.turn.cpu }
  }

  #see(event: TraceEvent): void {
    const index = this.#events++
    const { reader } = this
    if (this.divergedAt < 0 && index < reader.count && !sameEvent(reader.event(index), event)) this.divergedAt = index
    this.#instructionsAt.set(index, this.#now)
    if (this.#pausesAtEvents || this.#events === this.#inputAt) this.#guest.machine.pause = true
    if (index !== this.#target) return
    if (TRACE_EVENTS[event.kind].by === 'kvm') throw new HalfWay()
    this.#guest.machine.pause = true
  }

  /** The latest known state of which `isBefore` is true, or the very first. */
  #nearest(isBefore: (place: Place) => boolean): Place {
    const known = [this.#snapshots.latest(isBefore), this.#runnable && isBefore(this.place) ? this.place : null]
    return known.reduce<Place>(
      (best, place) => (place !== null && isAfter(place, best) ? place : best),
      this.keyframes.place(this.keyframes.latest(isBefore)),
    )
  }

  /** Brings the machine there. */
  #approach(isBefore: (place: Place) => boolean): void {
    this.#settle()
    const here = this.place
    const kept = this.#snapshots.latest(isBefore)
    const keyframe = this.keyframes.latest(isBefore)
    const isHereBest = this.#runnable && isBefore(here) && (kept === null || !isAfter(kept, here))
    if (isHereBest && !isAfter(this.keyframes.place(keyframe), here)) return
    if (kept !== null && !isAfter(this.keyframes.place(keyframe), kept)) {
      this.#snapshots.restore(kept)
      this.#resume(kept)
      return
    }
    this.#goToKeyframe(keyframe)
  }

  #goToKeyframe(n: number): void {
    const snapshot = this.#boot ?? snapshotAt(this.reader, n)
    this.#snapshots.restoreFrom(snapshot, new Map(snapshot.pages))
    this.#resume(this.keyframes.place(n))
    this.#snapshots.keep(this.keyframes.place(n))
  }

  /** Whatever was left half done is given up. */
  #settle(): void {
    this.#target = -1
    this.#standsAt = -1
    this.#pausesAtEvents = false
    this.#strideFactor = 1
    this.#guest.machine.look = undefined
    this.#guest.machine.memory.unwatch()
  }

  #resume({ instructions, events }: Place): void {
    reattach(this.#guest)
    this.#guest.machine.pause = false
    this.#events = events
    this.#lastKept = instructions
    this.#runnable = true
    this.#end = null
  }

  /** The earliest state kept in memory before `end` since which these pages were not written, up to one that is not before `until`. */
  keptUnwritten(end: Place, until: Place, pages: readonly number[]): Place | undefined {
    const since = this.#snapshots.unwrittenSince(until, pages)
    return since !== undefined && isAfter(end, since) ? since : undefined
  }

  /** Runs until `isThere`, at most to `budget` instructions; `about` is where it will end, as far as that is known. */
  *#run(isThere: () => boolean, about: number, budget: number): Generator<Place, void, void> {
    const { machine } = this.#guest
    this.#standsAt = -1
    while (!isThere() && !this.#isOver) {
      const input = this.#nextInput()
      if (input !== null && this.#isInputNext() && this.#now >= input.instructions) {
        deliverInput(this.#guest, input.device, input.bytes)
        continue
      }
      const stride = about - this.#now > FAR_STRIDE ? FAR_STRIDE : NEAR_STRIDE
      const inputAt = input !== null && this.#now < input.instructions ? input.instructions : NEVER
      const keepAt = this.#lastKept + stride * this.#strideFactor
      const end = this.#drive(Math.min(budget, inputAt, this.#recordedBudget, keepAt, this.#now + stride), isThere)
      machine.pause = false
      if (!this.#runnable) return
      if (end !== null && (end.reason !== 'budget' || this.#now >= this.#recordedBudget)) this.#finish(end)
      else if (this.#now >= keepAt && !isThere()) this.#keep()
      if (end === null || this.#isOver || isThere()) continue
      yield { instructions: this.#now, events: this.#events }
    }
  }

  /** The run has ended, or what was recorded of it. */
  get #isOver(): boolean {
    return this.#end !== null || this.#events >= this.reader.count
  }

  #drive(stop: number, isThere: () => boolean): RunEnd | null {
    try {
      return drive(this.#guest, stop, () => isThere() || this.#isInputNext())
    } catch (thrown) {
      if (!(thrown instanceof HalfWay)) throw thrown
      this.#runnable = false
      return null
    }
  }

  #keep(): void {
    this.#snapshots.keep({ instructions: this.#now, events: this.#events })
    this.#lastKept = this.#now
  }

  /** Nothing runs any more; the recording's last event says so. */
  #finish(end: RunEnd): void {
    this.#end = end
    this.#runnable = false
    if (this.#events < this.reader.count && this.kinds.at(this.#events) === 'end') this.#instructionsAt.set(this.#events++, this.#now)
  }

  /** The instructions after which the recording stopped, if it was its budget that stopped it. */
  get #recordedBudget(): number {
    const { end } = this.reader
    return end?.reason === 'budget' ? end.instructions : NEVER
  }

  #isInputNext(): boolean {
    return this.#events < this.reader.count && this.kinds.at(this.#events) === 'input'
  }

  #inputFrom = -1
  #inputAt = -1

  /** The next input to deliver. */
  #nextInput(): EventOf<'input'> | null {
    const isKnown = this.#inputFrom >= 0 && this.#events >= this.#inputFrom && (this.#inputAt < 0 || this.#events <= this.#inputAt)
    if (!isKnown) {
      this.#inputFrom = this.#events
      this.#inputAt = this.kinds.find(INPUT, this.#events, 1)
    }
    return this.#inputAt < 0 ? null : (this.reader.event(this.#inputAt) as EventOf<'input'>)
  }
}

/** Runs all the pieces. */
export function finished<T>(pieces: Generator<unknown, T, void>): T {
  for (;;) {
    const { done, value } = pieces.next()
    if (done) return value
  }
}

export const openTimeline = (reader: TraceReader): Timeline => new Timeline(reader)
