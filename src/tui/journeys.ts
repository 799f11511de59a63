/**
 * Keys that need the guest to run, forward or backward, until something: over calls and exits, to a breakpoint, to the next visit of an
 * instruction, to the next change of a value, to a position that only a run can tell. They go on in slices on a machine of their own, so that the screen can be drawn between.
 */

import { FilterError, troubleIn } from '../query/filter-fields.ts'
import { formatLocation, isProblem, parseLocation } from '../query/location.ts'
import type { Place } from '../query/position.ts'
import { stopOf } from '../session/expression-stop.ts'
import { isNowhere, locate, type NoPosition } from '../session/locate.ts'
import { stepBackward, stepForward } from '../session/steps.ts'
import { type Place as Moment, openTimeline, type Timeline } from '../session/timeline.ts'
import { type Arrival, type Cursor, continueBackward, continueForward, type Stop } from '../session/travel.ts'
import type { Breakpoint, JourneyRequest, Model } from './model.ts'
import { goTo, jumpTo } from './movement.ts'
import { openPrompt } from './prompt-opening.ts'
import type { TraceSource } from './trace-source.ts'
import type { Work } from './work.ts'

const timelines = new WeakMap<TraceSource, Timeline>()

/** The machine that such runs go on. */
export function timelineOf(trace: TraceSource): Timeline {
  const timeline = timelines.get(trace) ?? openTimeline(trace.reader)
  timelines.set(trace, timeline)
  return timeline
}

export const programOf = ({ image }: TraceSource): ReadonlyMap<string, bigint> =>
  new Map(image.symbols.map(({ name, value }) => [name, value]))

function stopFor(trace: TraceSource, point: Breakpoint): Stop {
  switch (point.kind) {
    case 'code':
      return { kind: 'address', address: point.address }
    case 'change':
      return { kind: 'change', of: { kind: 'location', location: point.location } }
    case 'expression':
      return stopOf(trace, point.text)
  }
}

export function cursorOf({ trace, place }: Pick<Model, 'trace' | 'place'>): Cursor {
  const { instructions, eventIndex } = trace.moment(place)
  return { instructions, events: eventIndex, ...(place.kind === 'event' ? { event: place.index } : {}) }
}

type Outcome = Arrival | NoPosition

function* find(timeline: Timeline, position: string): Generator<Moment, Outcome, void> {
  const found = yield* locate(timeline, position)
  if (isNowhere(found)) return found
  const { event, instructions, events } = found
  return { place: { instructions, events }, reason: { kind: 'step' }, ...(event === undefined ? {} : { event }) }
}

function journeyFor(trace: TraceSource, { from, kind, direction, stops, position }: JourneyRequest): Generator<Moment, Outcome, void> {
  const timeline = timelineOf(trace)
  if (position !== undefined) return find(timeline, position)
  const cursor = cursorOf({ trace, place: from })
  if (kind === 'over') return (direction === 1 ? stepForward : stepBackward)(timeline, cursor, 'over')
  const list = stops.map(point => stopFor(trace, point))
  return (direction === 1 ? continueForward : continueBackward)(timeline, cursor, list)
}

interface Travelling extends Work {
  arrival: Outcome | undefined
  /** Instructions at which it is. */
  at: number
}

const travelling = new WeakMap<JourneyRequest, Travelling>()

/** The journey that a request began; the same for the same request. */
export function journeyWork(trace: TraceSource, request: JourneyRequest): Travelling {
  const known = travelling.get(request)
  if (known !== undefined) return known
  const journey = journeyFor(trace, request)
  const work: Travelling = {
    arrival: undefined,
    at: 0,
    advance(milliseconds) {
      const end = performance.now() + milliseconds
      while (work.arrival === undefined && performance.now() < end) {
        const { done, value } = journey.next()
        if (done) work.arrival = value
        else work.at = value.instructions
      }
      return work.arrival !== undefined
    },
  }
  travelling.set(request, work)
  return work
}

/** The place as the screen names it: by instruction, or by the event behind which it lies. */
function placeOf({ trace }: Model, { place: { instructions, events }, event }: Arrival): Place {
  if (event !== undefined) return { kind: 'event', index: event }
  const place: Place = { kind: 'instruction', count: instructions }
  return events > 0 && trace.moment(place).eventIndex < events ? { kind: 'event', index: Math.min(events, trace.count) - 1 } : place
}

const pointText = (point: Breakpoint): string => {
  switch (point.kind) {
    case 'code':
      return `0x${point.address.toString(16)}`
    case 'expression':
      return point.text
    case 'change':
      return `change of ${formatLocation(point.location)}`
  }
}

export const breakpointText = pointText

/** At the end of the journey, if it has come to it. */
export function arrived(model: Model): Model {
  const { journey, trace } = model
  if (journey === null) return model
  const { arrival } = journeyWork(trace, journey)
  if (arrival === undefined) return model
  if ('problem' in arrival) return { ...model, journey: null, notice: `${arrival.problem}; ${arrival.help}` }
  const { reason } = arrival
  if (journey.kind === 'visit' && reason.kind !== 'stop') {
    const what = journey.stops[0]?.kind === 'change' ? 'change of it' : 'visit'
    return { ...model, journey: null, notice: `no ${what} ${journey.direction === 1 ? 'after' : 'before'} this` }
  }
  const there = (journey.kind === 'over' ? goTo : jumpTo)({ ...model, journey: null }, placeOf(model, arrival))
  switch (reason.kind) {
    case 'begin':
      return { ...there, notice: 'the run begins here' }
    case 'end':
      return { ...there, notice: 'the run ends here' }
    case 'stop':
      return journey.kind === 'continue' ? { ...there, notice: `breakpoint: ${pointText(journey.stops[reason.stop]!)}` } : there
    case 'step':
      return there
  }
}

export const begin = (model: Model, request: Omit<JourneyRequest, 'from'>): Model => ({
  ...model,
  journey: { ...request, from: model.place },
})

export const stepOver = (model: Model, direction: 1 | -1): Model => begin(model, { kind: 'over', direction, stops: [] })

export function continueTo(model: Model, direction: 1 | -1): Model {
  if (model.breakpoints.length === 0) return { ...model, notice: 'no breakpoints: b sets one here, :break and :watch others' }
  return begin(model, { kind: 'continue', direction, stops: model.breakpoints })
}

export function visit(model: Model, direction: 1 | -1): Model {
  const { rip } = model.trace.moment(model.place, model.vcpu).registers
  return begin(model, { kind: 'visit', direction, stops: [{ kind: 'code', address: rip }] })
}

/** The next or previous change of what `:follow` named. */
export function change(model: Model, direction: 1 | -1): Model {
  const { followed } = model
  if (followed === null) return openPrompt(model, 'command', 'follow ')
  return begin(model, { kind: 'visit', direction, stops: [{ kind: 'change', location: followed }] })
}

/** A location as typed; a text is what is wrong with it. */
export function locationNamed(trace: TraceSource, text: string): Extract<Breakpoint, { kind: 'change' }>['location'] | string {
  const parsed = parseLocation(text, programOf(trace))
  return isProblem(parsed) ? `${parsed.problem}; ${parsed.help}` : parsed
}

/** A breakpoint as typed: an address, or an expression; a text is what is wrong with it. */
export function pointNamed(trace: TraceSource, text: string): Breakpoint | string {
  try {
    const stop = stopOf(trace, text)
    return stop.kind === 'address' ? { kind: 'code', address: stop.address } : { kind: 'expression', text }
  } catch (error) {
    if (error instanceof FilterError) return `${troubleIn(text, error)}${error.help === '' ? '' : `; ${error.help}`}`
    throw error
  }
}

const isSamePoint = (a: Breakpoint, b: Breakpoint): boolean => pointText(a) === pointText(b)

/** Sets it, or clears it where it is set. */
export function toggleBreakpoint(model: Model, point: Breakpoint): Model {
  const others = model.breakpoints.filter(other => !isSamePoint(other, point))
  const isSet = others.length === model.breakpoints.length
  return {
    ...model,
    breakpoints: isSet ? [...others, point] : others,
    notice: `breakpoint ${isSet ? 'set' : 'cleared'}: ${pointText(point)}`,
  }
}

/** At the next instruction. */
export const breakHere = (model: Model): Model =>
  toggleBreakpoint(model, { kind: 'code', address: model.trace.moment(model.place, model.vcpu).registers.rip })
