/**
 * Moving through a recorded run as gdb asks for it. Breakpoints and watchpoints are looked for by going over
 * the run again, backwards too: from the last window before the cursor to the first.
 */

import { isAfter, type Place, type Timeline, type TimelineView } from '../session/timeline.ts'
import { guestRegisters } from '../session/timeline-guest.ts'
import { linearBytes } from '../session/timeline-memory.ts'

/** Why the guest stands where it stands, as gdb's stop replies tell it. */
export type StopReason =
  | { readonly kind: 'step' | 'begin' | 'end' | 'interrupted' }
  | { readonly kind: 'breakpoint'; readonly hardware: boolean }
  | { readonly kind: 'watchpoint'; readonly address: bigint }

export interface Watchpoint {
  readonly address: bigint
  readonly length: number
}

export interface Stops {
  /** Software and hardware breakpoints by address. */
  readonly breakpoints: ReadonlyMap<bigint, 'software' | 'hardware'>
  readonly watchpoints: readonly Watchpoint[]
}

/** Instructions looked through before the caller may be asked whether to go on. */
const WINDOW = 16_384

/** The watched bytes at a moment, as text to compare; unmapped ones too. */
function watchedBytes(view: TimelineView, { address, length }: Watchpoint): string {
  const byteAt = linearBytes(view, guestRegisters(view))
  let text = ''
  for (let i = 0n; i < BigInt(length); i++) text += `${byteAt(address + i) ?? '-'} `
  return text
}

/** Asks each moment whether something stops there; remembers what the watched bytes were before. */
class Watcher {
  readonly #stops: Stops
  #before: readonly string[]

  constructor(stops: Stops, from: TimelineView) {
    this.#stops = stops
    this.#before = stops.watchpoints.map(watchpoint => watchedBytes(from, watchpoint))
  }

  see(view: TimelineView): StopReason | undefined {
    const { watchpoints } = this.#stops
    const now = watchpoints.map(watchpoint => watchedBytes(view, watchpoint))
    const changed = now.findIndex((bytes, i) => bytes !== this.#before[i])
    this.#before = now
    return changed >= 0 ? { kind: 'watchpoint', address: watchpoints[changed]!.address } : this.stopAt(view)
  }

  /** A breakpoint at this moment. */
  stopAt(view: TimelineView): StopReason | undefined {
    const { breakpoints } = this.#stops
    const kind = breakpoints.size === 0 ? undefined : breakpoints.get(guestRegisters(view).rip)
    return kind && { kind: 'breakpoint', hardware: kind === 'hardware' }
  }
}

export interface Arrival {
  readonly place: Place
  readonly reason: StopReason
}

const START: Place = { instructions: 0, events: 0 }

const placeOf = ({ instructions, eventIndex }: TimelineView): Place => ({ instructions, events: eventIndex })

const isBefore = (a: Place, b: Place): boolean => isAfter(b, a)

/** Goes through the moments after `from`, the last one at `until` or behind it. Returns whether the run goes on there. */
function goThrough(timeline: Timeline, from: Place, until: Place, visit: (view: TimelineView) => boolean): boolean {
  for (let view: TimelineView | undefined = timeline.atMoment(from); view !== undefined && isBefore(placeOf(view), until); ) {
    view = timeline.nextMoment()
    if (view === undefined) return false
    if (visit(view)) return true
  }
  return true
}

export function stepForward(timeline: Timeline, from: Place): Arrival {
  timeline.atMoment(from)
  const next = timeline.nextMoment()
  return next === undefined ? { place: from, reason: { kind: 'end' } } : { place: placeOf(next), reason: { kind: 'step' } }
}

/** The instruction before retired, or exited, perhaps more than once. */
export function stepBackward(timeline: Timeline, from: Place): Arrival {
  if (!isBefore(placeOf(timeline.atMoment(START)), from)) return { place: from, reason: { kind: 'begin' } }
  let place = placeOf(timeline.atMoment({ instructions: Math.max(0, from.instructions - 1), events: 0 }))
  goThrough(timeline, place, from, view => {
    if (!isBefore(placeOf(view), from)) return true
    place = placeOf(view)
    return false
  })
  return { place, reason: { kind: 'step' } }
}

/** On to the next stop. Yields a place now and then; the caller leaves the loop there to interrupt it. */
export function* continueForward(timeline: Timeline, from: Place, stops: Stops): Generator<Place, Arrival, void> {
  const watcher = new Watcher(stops, timeline.atMoment(from))
  let last = from
  for (;;) {
    let arrival: Arrival | undefined
    const goesOn = goThrough(timeline, last, { instructions: last.instructions + WINDOW, events: 0 }, view => {
      last = placeOf(view)
      arrival = arrivalAt(watcher.see(view), last)
      return arrival !== undefined
    })
    if (arrival !== undefined) return arrival
    if (!goesOn) return { place: last, reason: { kind: 'end' } }
    yield last
  }
}

const arrivalAt = (reason: StopReason | undefined, place: Place): Arrival | undefined => reason && { place, reason }

/** Back to the last stop before. A watchpoint stops before the instruction that changed the bytes, as gdb has it. */
export function* continueBackward(timeline: Timeline, from: Place, stops: Stops): Generator<Place, Arrival, void> {
  for (let end = from; ; ) {
    const start = { instructions: Math.max(0, end.instructions - WINDOW), events: 0 }
    const first = timeline.atMoment(start)
    const watcher = new Watcher(stops, first)
    let before = placeOf(first)
    let found: Arrival | undefined
    const isFirst = start.instructions === 0 && isBefore(before, from) ? watcher.stopAt(first) : undefined
    found = arrivalAt(isFirst, before)
    goThrough(timeline, before, end, view => {
      const place = placeOf(view)
      const reason = watcher.see(view)
      if (reason?.kind === 'watchpoint' && !isAfter(place, from)) found = { place: before, reason }
      else if (reason !== undefined && isBefore(place, from)) found = { place, reason }
      before = place
      return !isBefore(place, end)
    })
    if (found !== undefined) return found
    if (start.instructions === 0) return { place: placeOf(timeline.atMoment(START)), reason: { kind: 'begin' } }
    end = start
    yield start
  }
}
