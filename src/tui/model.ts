/** What the explorer's screen is a picture of. Plain data beside the recording itself; `update.ts` makes the next one. */

import type { Place } from '../query/position.ts'
import type { TraceSource } from './trace-source.ts'

export const PANES = ['code', 'events', 'state'] as const
export type PaneName = (typeof PANES)[number]

export interface Size {
  readonly columns: number
  readonly rows: number
}

export interface Model {
  readonly trace: TraceSource
  readonly size: Size
  readonly place: Place
  readonly focus: PaneName
  /** The first row of the event list that is shown. */
  readonly eventsTop: number
  /** Rows that the code is moved down from where the next instruction is in sight. */
  readonly codeScroll: number
  readonly stateScroll: number
  /** First row of the list of keys while it is open. */
  readonly help: number | null
  /** One line of news about the last key, gone with the next one. */
  readonly notice: string
  readonly leaving: boolean
}

export const SMALLEST: Size = { columns: 60, rows: 15 }

export const isTooSmall = ({ columns, rows }: Size): boolean => columns < SMALLEST.columns || rows < SMALLEST.rows

/** The row of the event list that the place stands in: its event, or the row of its own between two events. */
export function cursorRow({ trace, place }: Pick<Model, 'trace' | 'place'>): number {
  return place.kind === 'event' ? place.index : trace.moment(place).eventIndex
}

/** Rows of the event list: the events, and one more for a place between two of them. */
export const eventRows = ({ trace, place }: Pick<Model, 'trace' | 'place'>): number => trace.count + (place.kind === 'event' ? 0 : 1)
