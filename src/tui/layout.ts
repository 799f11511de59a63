/**
 * Where the panes stand at each size of the terminal: one at a time below 80 columns, code beside events or state below 100, all
 * three from there on, and from 140 on the registers beside another view of the state. A line of header above, one of footer below;
 * each pane has a title line of its own. The timeline lies under them where there is room, and is a pane like the others elsewhere.
 */

import { type Model, PANES, type PaneName, type Size } from './model.ts'
import { timelineRows } from './panes/timeline-scope.ts'

/** What a place on the screen shows: a pane, or the registers that stand beside the state of a wide screen. */
export type RegionName = PaneName | 'registers'

export interface Region {
  readonly pane: RegionName
  readonly left: number
  /** Of the title line. */
  readonly top: number
  readonly width: number
  /** Rows under the title. */
  readonly rows: number
}

export const MEDIUM = 80
export const WIDE = 100
export const EXTRA_WIDE = 140
/** From so many rows on the timeline has a place of its own. */
const tallFrom = ({ columns }: Size): number => (columns < WIDE ? 30 : 22)
/** Of the rows, the part that the timeline may take. */
const TIMELINE_PART = 1 / 3

type Laid = Pick<Model, 'size' | 'focus' | 'zoomed' | 'trace'>

const isAlone = ({ size, focus, zoomed }: Laid): boolean =>
  zoomed || size.columns < MEDIUM || (focus === 'timeline' && size.rows < tallFrom(size))

const hasTimeline = (laid: Laid): boolean => !isAlone(laid) && laid.size.rows >= tallFrom(laid.size)

/** Without the title. */
const timelineHeight = ({ size, trace }: Laid): number => Math.min(timelineRows(trace), Math.floor(size.rows * TIMELINE_PART))

/** Rows of the panes above the timeline, titles and all. */
const bodyRows = (laid: Laid): number => Math.max(2, laid.size.rows - 2 - (hasTimeline(laid) ? timelineHeight(laid) + 1 : 0))

/** The visible panes; between two side by side there is one column for a line. */
export function regions(laid: Laid): readonly Region[] {
  const { size, focus } = laid
  const { columns } = size
  const rows = bodyRows(laid) - 1
  if (isAlone(laid)) return [{ pane: focus, left: 0, top: 1, width: columns, rows }]
  const beside = columnsFor(laid)
  let left = 0
  const across = beside.map(([pane, width]) => {
    const region: Region = { pane, left, top: 1, width, rows }
    left += width + 1
    return region
  })
  if (!hasTimeline(laid)) return across
  return [...across, { pane: 'timeline', left: 0, top: 2 + rows, width: columns, rows: timelineHeight(laid) }]
}

function columnsFor({ size: { columns }, focus }: Laid): readonly (readonly [RegionName, number])[] {
  if (columns < WIDE) {
    const right = Math.floor(columns * 0.46)
    return [
      ['code', columns - right - 1],
      [focus === 'state' ? 'state' : 'events', right],
    ]
  }
  const registers = columns >= EXTRA_WIDE ? 24 : 0
  const state = columns >= EXTRA_WIDE ? Math.floor(columns * 0.26) : 24
  const rest = columns - state - 2 - (registers === 0 ? 0 : registers + 1)
  const events = Math.floor(rest / 2)
  return [['code', rest - events], ['events', events], ...(registers === 0 ? [] : [['registers', registers] as const]), ['state', state]]
}

export const regionOf = (laid: Laid, pane: PaneName): Region | undefined => regions(laid).find(region => region.pane === pane)

/** Rows of the event list, whether it is in sight or not. */
export const eventPaneRows = (laid: Laid): number => regionOf(laid, 'events')?.rows ?? bodyRows(laid) - 1

/** Rows under the header of a screen that covers the panes. */
export const overlayRows = ({ rows }: Size): number => Math.max(1, rows - 3)

/** The panes that share the place of `pane`: its tabs. */
export function tabsOf(laid: Laid, pane: RegionName): readonly PaneName[] {
  if (pane === 'registers') return []
  if (isAlone(laid) && !laid.zoomed) return laid.size.columns < MEDIUM ? PANES : [pane]
  if (laid.zoomed || laid.size.columns >= WIDE || pane === 'code' || pane === 'timeline') return [pane]
  return ['events', 'state']
}
