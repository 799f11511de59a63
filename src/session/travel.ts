/**
 * Journeys through a recorded run, forward and backward alike: on to the next stop, or by one step of a kind. Backward is: look through
 * the stretch before the cursor, then through a longer one before that, and take the last stop found.
 *
 *     . . . . . . . .|. . . . . . .|. . .|cursor         stretches, each run forward
 *
 * A journey is a generator: it yields where it is every few milliseconds, and whoever leaves it there has given it up.
 */

import type { Engine } from '../hw/cpu/engine.ts'
import { type Stop, Watcher } from './stops.ts'
import { isAfter, type Place, type Timeline, type TimelineView } from './timeline.ts'

export type { Stop } from './stops.ts'

/** A place where to start from. On an event, the next one is the one behind it. */
export interface Cursor extends Place {
  readonly event?: number
}

/** step: one of the kind asked for. stop: the stop of this number in the list. begin, end: of the run. */
export type Reason = { readonly kind: 'step' | 'begin' | 'end' } | { readonly kind: 'stop'; readonly stop: number }

export interface Arrival {
  /** A moment (see `Timeline.atMoment`). */
  readonly place: Place
  readonly reason: Reason
  /** The event that was looked for. */
  readonly event?: number
}

export type Journey = Generator<Place, Arrival, void>

/** The longest and the first stretch to look through at once, going back, in instructions. */
const LONGEST_STRETCH = 1_048_576
const FIRST_STRETCH = 1024

export const START: Place = { instructions: 0, events: 0 }

export const placeOf = ({ instructions, eventIndex }: TimelineView): Place => ({ instructions, events: eventIndex })

export const isBefore = (a: Place, b: Place): boolean => isAfter(b, a)

/** Decides moment by moment; made anew for each stretch. */
export interface Judge {
  /** The first moment of the stretch. True: it counts itself, if it is the first of the run. */
  begin(engine: Engine): number
  /** At least 0: here. */
  see(engine: Engine): number
}

export interface Judgement {
  judge(): Judge
  /** Of these numbers, backward, the moment before is meant: the instruction that does it has not run yet. */
  readonly meansBefore: (found: number) => boolean
}

/** Takes the whole journey. `isCancelled` is asked every few milliseconds; undefined: it said so. */
export function travel(journey: Journey, isCancelled: (place: Place) => boolean = () => false): Arrival | undefined {
  for (;;) {
    const { done, value } = journey.next()
    if (done) return value
    if (!isCancelled(value)) continue
    journey.return(undefined as never)
    return undefined
  }
}

/** Forward to the first moment behind `from`, and before `limit`, that the judge takes. Undefined: there is none before `limit`. */
export function* searchForward(
  timeline: Timeline,
  from: Place,
  judgement: Judgement,
  limit: Place = { instructions: Number.POSITIVE_INFINITY, events: 0 },
): Generator<Place, { place: Place; found: number } | 'end' | undefined, void> {
  yield* timeline.seek(from)
  const judge = judgement.judge()
  let isFirst = true
  let found = -1
  const goesOn = yield* timeline.scan(limit, engine => {
    if (isFirst) judge.begin(engine)
    else found = judge.see(engine)
    isFirst = false
    return found >= 0
  })
  if (found >= 0) return { place: placeOf(timeline.here()), found }
  return goesOn ? undefined : 'end'
}

/** Backward to the last moment before `from`, and not before `limit`, that the judge takes. */
export function* searchBackward(
  timeline: Timeline,
  from: Place,
  judgement: Judgement,
  limit: Place = START,
): Generator<Place, { place: Place; found: number } | undefined, void> {
  let end = from
  for (let length = FIRST_STRETCH; ; length = Math.min(length * 4, LONGEST_STRETCH)) {
    const begin: Place = { instructions: Math.max(limit.instructions, end.instructions - length), events: 0 }
    const hit = yield* lastIn(timeline, begin, { end, from }, judgement)
    if (hit !== undefined) return isBefore(hit.place, limit) ? undefined : hit
    if (begin.instructions <= limit.instructions) return undefined
    end = begin
    yield begin
  }
}

/** The last moment from `begin` to `end`, and before `from`, that the judge takes. */
function* lastIn(
  timeline: Timeline,
  begin: Place,
  { end, from }: { readonly end: Place; readonly from: Place },
  { judge: makeJudge, meansBefore }: Judgement,
): Generator<Place, { place: Place; found: number } | undefined, void> {
  let before = placeOf(yield* timeline.seek(begin))
  if (!isBefore(before, from)) return undefined
  const judge = makeJudge()
  let hit: { place: Place; found: number } | undefined
  let isFirst = true
  yield* timeline.scan(end, engine => {
    const place = timeline.place
    if (isFirst) {
      isFirst = false
      const found = judge.begin(engine)
      if (found >= 0 && begin.instructions === 0) hit = { place, found }
      return false
    }
    const found = judge.see(engine)
    if (found >= 0 && meansBefore(found) && !isAfter(place, from)) hit = { place: before, found }
    else if (found >= 0 && isBefore(place, from)) hit = { place, found }
    before = place
    return false
  })
  return hit
}

const stopJudgement = (timeline: Timeline, stops: readonly Stop[]): Judgement => ({
  judge: () => {
    const watcher = new Watcher(timeline, stops)
    return {
      begin: engine => {
        watcher.begin(engine)
        return watcher.stopAt(engine)
      },
      see: engine => watcher.see(engine),
    }
  },
  meansBefore: found => stops[found]?.kind === 'change' || stops[found]?.kind === 'access',
})

/** The nearest event that one of the stops looks for, with that stop. */
function nearestEvent(stops: readonly Stop[], from: number, direction: 1 | -1): { event: number; stop: number } | undefined {
  let best: { event: number; stop: number } | undefined
  for (const [stop, row] of stops.entries()) {
    const event = row.kind === 'event' ? row.find(from, direction) : -1
    if (event >= 0 && (best === undefined || (event - best.event) * direction < 0)) best = { event, stop }
  }
  return best
}

const isAskedOfMoments = ({ kind }: Stop): boolean => kind !== 'event'

/** On to the next stop, or the end of the run. */
export function* continueForward(timeline: Timeline, from: Cursor, stops: readonly Stop[]): Journey {
  const next = nearestEvent(stops, from.event === undefined ? from.events : from.event + 1, 1)
  if (next !== undefined && !stops.some(isAskedOfMoments)) return yield* arriveBehind(timeline, next)
  const limit = next && { instructions: yield* instructionsOf(timeline, next.event), events: next.event + 1 }
  const hit = yield* searchForward(timeline, from, stopJudgement(timeline, stops), limit)
  if (hit !== undefined && hit !== 'end') return { place: hit.place, reason: { kind: 'stop', stop: hit.found } }
  if (next !== undefined) return yield* arriveBehind(timeline, next)
  return { place: yield* lastMoment(timeline), reason: { kind: 'end' } }
}

/** Back to the last stop before, or the beginning. At a change, and an event, it stops before the instruction that made it. */
export function* continueBackward(timeline: Timeline, from: Cursor, stops: readonly Stop[]): Journey {
  const last = nearestEvent(stops, (from.event ?? from.events) - 1, -1)
  const limit = last === undefined ? START : { instructions: yield* instructionsOf(timeline, last.event), events: last.event + 1 }
  const hit = stops.some(isAskedOfMoments) ? yield* searchBackward(timeline, from, stopJudgement(timeline, stops), limit) : undefined
  if (hit !== undefined) return { place: hit.place, reason: { kind: 'stop', stop: hit.found } }
  if (last !== undefined) return yield* arriveBefore(timeline, last)
  return { place: placeOf(yield* timeline.seek(START)), reason: { kind: 'begin' } }
}

function* instructionsOf(timeline: Timeline, event: number): Generator<Place, number, void> {
  yield* timeline.seekEvent(event)
  return timeline.instructionOfEvent(event)
}

function* arriveBehind(timeline: Timeline, { event, stop }: { event: number; stop: number }): Journey {
  const instructions = yield* instructionsOf(timeline, event)
  const place = placeOf(yield* timeline.seek({ instructions, events: event + 1 }))
  return { place, reason: { kind: 'stop', stop }, event }
}

function* arriveBefore(timeline: Timeline, { event, stop }: { event: number; stop: number }): Journey {
  const instructions = yield* instructionsOf(timeline, event)
  return { place: yield* momentBefore(timeline, { instructions, events: event + 1 }), reason: { kind: 'stop', stop }, event }
}

/** The last moment before a place; of the run's first one, itself. */
export function* momentBefore(timeline: Timeline, place: Place): Generator<Place, Place, void> {
  for (let back = 1; ; back *= 16) {
    const begin = { instructions: Math.max(0, place.instructions - back), events: 0 }
    let last: Place | undefined
    yield* timeline.seek(begin)
    yield* timeline.scan(place, () => {
      if (isBefore(timeline.place, place)) last = timeline.place
      return false
    })
    if (last !== undefined) return last
    if (begin.instructions === 0) return placeOf(yield* timeline.seek(START))
  }
}

/** The last moment at which the guest was about to execute. */
export function* lastMoment(timeline: Timeline): Generator<Place, Place, void> {
  const total = timeline.instructions
  if (Number.isFinite(total)) return yield* momentBefore(timeline, { instructions: total + 1, events: 0 })
  let last: Place = START
  yield* timeline.seek(START)
  yield* timeline.scan({ instructions: Number.POSITIVE_INFINITY, events: 0 }, () => {
    last = timeline.place
    return false
  })
  return last
}

/** To the next event, or the last one before, that `find` says (see `EventKinds.find`). */
export function* toEvent(timeline: Timeline, from: Cursor, find: (from: number) => number, direction: 1 | -1): Journey {
  const event = find(direction === 1 ? (from.event === undefined ? from.events : from.event + 1) : (from.event ?? from.events) - 1)
  if (event < 0) return yield* edge(timeline, direction)
  const { place } = direction === 1 ? yield* arriveBehind(timeline, { event, stop: 0 }) : yield* arriveBefore(timeline, { event, stop: 0 })
  return { place, reason: { kind: 'step' }, event }
}

/** The run's first moment, or its last. */
export function* edge(timeline: Timeline, direction: 1 | -1): Journey {
  if (direction === -1) return { place: placeOf(yield* timeline.seek(START)), reason: { kind: 'begin' } }
  return { place: yield* lastMoment(timeline), reason: { kind: 'end' } }
}
