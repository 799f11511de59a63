/**
 * Where the panes stand at each size of the terminal: one at a time below 80 columns, code beside events or state below 100, all
 * three from there on. A line of header above, one of footer below; each pane has a title line of its own.
 */

import type { Model, PaneName, Size } from './model.ts'

export interface PanePlace {
  readonly pane: PaneName
  readonly width: number
}

export const MEDIUM = 80
export const WIDE = 100
const EXTRA_WIDE = 140

/** Rows of a pane under its title. */
export const paneRows = ({ rows }: Size): number => Math.max(1, rows - 3)

/** The visible panes from left to right; between two of them there is one column for a line. */
export function visiblePanes({ size, focus }: Pick<Model, 'size' | 'focus'>): readonly PanePlace[] {
  const { columns } = size
  if (columns < MEDIUM) return [{ pane: focus, width: columns }]
  if (columns < WIDE) {
    const right = Math.floor(columns * 0.46)
    return [
      { pane: 'code', width: columns - right - 1 },
      { pane: focus === 'state' ? 'state' : 'events', width: right },
    ]
  }
  const state = columns >= EXTRA_WIDE ? 44 : 24
  const events = Math.floor((columns - state - 2) / 2)
  return [
    { pane: 'code', width: columns - state - events - 2 },
    { pane: 'events', width: events },
    { pane: 'state', width: state },
  ]
}
