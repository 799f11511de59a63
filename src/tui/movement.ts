/** Keys that move in time. Pure: the recording that they ask never changes. */

import type { Place } from '../query/position.ts'
import { type EventStep, STEP_EVENTS } from '../session/steps.ts'
import { eventPaneRows } from './layout.ts'
import type { Model, Seeking } from './model.ts'
import { cursorRow, rowCount } from './rows.ts'

/** Rows of the event list that stay in sight around the cursor. */
const MARGIN = 3

/** The event list moves only as far as it must. */
export function withCursorInSight(model: Model): Model {
  const rows = eventPaneRows(model)
  const cursor = cursorRow(model)
  const last = Math.max(0, rowCount(model) - rows)
  const isFar = cursor < model.eventsTop - rows || cursor > model.eventsTop + 2 * rows
  const margin = Math.min(MARGIN, Math.floor((rows - 1) / 2))
  const nearest = Math.min(Math.max(model.eventsTop, cursor - rows + 1 + margin), cursor - margin)
  const wanted = isFar ? cursor - Math.floor(rows / 2) : nearest
  return { ...model, eventsTop: Math.min(Math.max(wanted, 0), last) }
}

/** A new place; what was scrolled away comes back into sight. */
export const goTo = (model: Model, place: Place): Model => withCursorInSight({ ...model, place, codeScroll: 0, pan: 0 })

const MOST_JUMPS = 100

/** To a place farther away: `<` and `''` lead back. */
export function jumpTo(model: Model, place: Place): Model {
  const back = [...model.jumps.back, model.place].slice(-MOST_JUMPS)
  return goTo({ ...model, jumps: { back, forward: [] } }, place)
}

export function jumpBack(model: Model): Model {
  const place = model.jumps.back.at(-1)
  if (place === undefined) return { ...model, notice: 'nothing was jumped from before this' }
  const jumps = { back: model.jumps.back.slice(0, -1), forward: [...model.jumps.forward, model.place] }
  return goTo({ ...model, jumps }, place)
}

export function jumpForward(model: Model): Model {
  const place = model.jumps.forward.at(-1)
  if (place === undefined) return { ...model, notice: 'nothing was jumped back from' }
  const jumps = { back: [...model.jumps.back, model.place], forward: model.jumps.forward.slice(0, -1) }
  return goTo({ ...model, jumps }, place)
}

/** By instruction. Between two of them, back means to the end of the earlier one. */
export function step(model: Model, direction: 1 | -1): Model {
  const { trace, place } = model
  const { instructions, eventIndex } = trace.moment(place)
  if (direction === 1) {
    const next: Place = { kind: 'instruction', count: instructions + 1 }
    return trace.moment(next).instructions > instructions ? goTo(model, next) : { ...model, notice: 'the run ends here' }
  }
  const start: Place = { kind: 'instruction', count: instructions }
  const isPast = place.kind === 'event' && trace.moment(start).eventIndex < eventIndex
  if (isPast) return goTo(model, start)
  if (instructions === 0) return { ...model, notice: 'the run begins here' }
  return goTo(model, { kind: 'instruction', count: instructions - 1 })
}

const WORDS: Readonly<Record<EventStep, string>> = {
  exit: 'VM exit',
  entry: 'VM entry',
  timer: 'timer event',
  interrupt: 'interrupt',
  msr: 'MSR event',
}

/** The event to look from in a direction, the present one left out. */
export function fromHere({ trace, place }: Model, direction: 1 | -1): number {
  if (place.kind === 'event') return place.index + direction
  const { eventIndex } = trace.moment(place)
  return direction === 1 ? eventIndex : eventIndex - 1
}

const noMore = (model: Model, what: string, direction: 1 | -1): Model => ({
  ...model,
  notice: `no ${what} ${direction === 1 ? 'after' : 'before'} this`,
})

export function nextOfKind(model: Model, what: EventStep, direction: 1 | -1): Model {
  const found = model.trace.find(STEP_EVENTS[what], fromHere(model, direction), direction)
  return found >= 0 ? goTo(model, { kind: 'event', index: found }) : noMore(model, WORDS[what], direction)
}

/** The next event that a filter lets through; while they are not all known, the model goes on seeking. */
export function nextSelected(model: Model, seeking: Seeking): Model {
  const { filter, what, direction } = seeking
  const selection = model.trace.select(filter)
  if (selection.trouble !== undefined) return { ...model, seeking: null, notice: selection.trouble }
  if (!selection.isWhole) return { ...model, seeking }
  const found = selection.next(fromHere(model, direction), direction)
  const there = { ...model, seeking: null }
  return found >= 0 ? goTo(there, { kind: 'event', index: found }) : noMore(there, what, direction)
}

/** Goes on with what waits for the trace to be searched. */
export function settled(model: Model): Model {
  const isSure = model.filter === '' && model.place.kind === 'event'
  const seen = isSure ? model : withCursorInSight(model)
  return seen.seeking === null ? seen : nextSelected(seen, seen.seeking)
}
