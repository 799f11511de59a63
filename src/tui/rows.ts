/**
 * The rows of the event list: all events, or those that the filter lets through, without what stands in folded exits, and with a row
 * of its own for a place between two events. Only arithmetic: no row is made before it is in sight.
 */

import type { Model } from './model.ts'

type Listed = Pick<Model, 'trace' | 'place' | 'filter' | 'folded'>

/** What a row shows: an event, or the place between two. */
export type EventRow = { readonly kind: 'event'; readonly index: number } | { readonly kind: 'place' }

/** The stretches of events that are folded away, [from, to) each, in order and apart, and how many events each has before it. */
interface Hidden {
  readonly known: number
  readonly from: readonly number[]
  readonly to: readonly number[]
  /** One more than there are stretches: the last is the sum. */
  readonly before: readonly number[]
}

const cache = new WeakMap<ReadonlySet<number>, Hidden>()

function hidden({ trace, folded }: Listed): Hidden {
  const { known, partner } = trace.index
  const kept = cache.get(folded)
  if (kept?.known === known) return kept
  const [from, to, before]: [number[], number[], number[]] = [[], [], [0]]
  for (const exit of [...folded].sort((a, b) => a - b)) {
    const [start, end, last] = [exit + 1, partner[exit]!, to.at(-1) ?? -1]
    if (end <= Math.max(start, last)) continue
    if (start <= last) {
      // Exits of several CPUs overlap.
      to[to.length - 1] = end
      before[before.length - 1]! += end - last
      continue
    }
    from.push(start)
    to.push(end)
    before.push(before.at(-1)! + end - start)
  }
  const made = { known, from, to, before }
  cache.set(folded, made)
  return made
}

/** How many stretches satisfy a condition that holds for the first ones only. */
function countWhile({ from }: Hidden, holds: (stretch: number) => boolean): number {
  let low = 0
  let high = from.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (holds(middle)) low = middle + 1
    else high = middle
  }
  return low
}

export const isFiltered = ({ filter }: Listed): boolean => filter !== ''

/** Rows of events alone. */
function eventCount(model: Listed): number {
  if (isFiltered(model)) return model.trace.select(model.filter).count
  return model.trace.count - hidden(model).before.at(-1)!
}

/** The row that an event stands in, or would stand in. */
export function rowOfEvent(model: Listed, index: number): number {
  if (isFiltered(model)) return model.trace.select(model.filter).rowOf(index)
  const stretches = hidden(model)
  const last = countWhile(stretches, stretch => stretches.from[stretch]! <= index) - 1
  if (last < 0) return index
  return index - stretches.before[last]! - (Math.min(index, stretches.to[last]!) - stretches.from[last]!)
}

function eventOfRow(model: Listed, row: number): number {
  if (isFiltered(model)) return model.trace.select(model.filter).at(row)
  const stretches = hidden(model)
  return row + stretches.before[countWhile(stretches, stretch => stretches.from[stretch]! - stretches.before[stretch]! <= row)]!
}

/** Whether the list shows the event itself. */
export const isListed = (model: Listed, index: number): boolean => {
  const row = rowOfEvent(model, index)
  return row < eventCount(model) && eventOfRow(model, row) === index
}

/** The place has a row of its own: it lies between two events, or its event is not listed. */
export const hasOwnRow = (model: Listed): boolean => model.place.kind === 'instruction' || !isListed(model, model.place.index)

/** The row that the place stands in. */
export function cursorRow(model: Listed): number {
  return rowOfEvent(model, model.trace.eventBehind(model.place))
}

export const rowCount = (model: Listed): number => eventCount(model) + (hasOwnRow(model) ? 1 : 0)

/** The rows [from, to) of the list. */
export function rowsBetween(model: Listed, from: number, to: number): readonly EventRow[] {
  const own = hasOwnRow(model) ? cursorRow(model) : Number.POSITIVE_INFINITY
  const rows: EventRow[] = []
  const end = Math.min(to, rowCount(model))
  for (let row = Math.max(0, from); row < end; row++)
    rows.push(row === own ? { kind: 'place' } : { kind: 'event', index: eventOfRow(model, row > own ? row - 1 : row) })
  return rows
}

/** The event so many rows from the place. */
export function eventFrom(model: Listed, rows: number): number {
  const last = eventCount(model) - 1
  if (last < 0) return -1
  const from = hasOwnRow(model) ? cursorRow(model) - (rows > 0 ? 1 : 0) : cursorRow(model)
  return eventOfRow(model, Math.min(Math.max(from + rows, 0), last))
}
