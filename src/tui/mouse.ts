/**
 * The mouse, as SGR reports it (xterm's mode 1006): `mouse:BUTTON:COLUMN:ROW:M`, from 1. A click focuses a pane and goes to the row; the
 * wheel moves the rows of the pane under it; a click on a hint of the footer is that key.
 */

import { type Region, regions } from './layout.ts'
import { widthOf } from './lines.ts'
import { type Model, PANES, type PaneName } from './model.ts'
import { jumpTo, withCursorInSight } from './movement.ts'
import { moveRow } from './overlay.ts'
import { footerHints } from './panes/footer.ts'
import { pointInState } from './panes/state.ts'
import type { RunCommand } from './prompt.ts'
import { rowsBetween } from './rows.ts'

export const isMouseKey = (key: string): boolean => key.startsWith('mouse:')

const LEFT = 0
const WHEEL_UP = 64
const WHEEL_DOWN = 65
const WHEEL_ROWS = 3

const isPane = (pane: Region['pane']): pane is PaneName => (PANES as readonly string[]).includes(pane)

export function clickOrWheel(model: Model, key: string, run: RunCommand): Model {
  const [button, column, row] = key.split(':').slice(1, 4).map(Number) as [number, number, number]
  if (!key.endsWith(':M') || model.prompt !== null) return model
  if (button === WHEEL_UP || button === WHEEL_DOWN)
    return wheel(model, column - 1, row - 1, button === WHEEL_DOWN ? WHEEL_ROWS : -WHEEL_ROWS)
  if (button !== LEFT) return model
  if (row === model.size.rows) return clickHint(model, column - 1, run)
  return model.overlay === null ? click(model, column - 1, row - 1) : model
}

const regionAt = (model: Model, column: number, row: number): Region | undefined =>
  regions(model).find(({ left, top, width, rows }) => column >= left && column < left + width && row >= top && row <= top + rows)

function wheel(model: Model, column: number, row: number, rows: number): Model {
  const region = model.overlay === null ? regionAt(model, column, row) : undefined
  const pane = region !== undefined && isPane(region.pane) ? region.pane : model.focus
  return { ...moveRow({ ...model, focus: pane }, rows), focus: model.focus }
}

function click(model: Model, column: number, row: number): Model {
  const region = regionAt(model, column, row)
  if (region === undefined || !isPane(region.pane)) return model
  const focused = { ...model, focus: region.pane }
  if (row === region.top) return withCursorInSight(focused)
  if (region.pane === 'state') return pointInState(focused, row - region.top - 1, column - region.left)
  if (region.pane !== 'events') return withCursorInSight(focused)
  const at = model.eventsTop + row - region.top - 1
  const [clicked] = rowsBetween(model, at, at + 1)
  return clicked?.kind === 'event' ? jumpTo(focused, { kind: 'event', index: clicked.index }) : focused
}

function clickHint(model: Model, column: number, run: RunCommand): Model {
  let left = 0
  for (const { binding, spans } of footerHints(model, model.size.columns, 0)) {
    const width = spans.reduce((sum, { text }) => sum + widthOf(text), 0)
    if (column >= left && column < left + width) return run(model, binding.command)
    left += width
  }
  return model
}
