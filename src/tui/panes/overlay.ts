/** The screens over the panes: each a list of rows, of which some lead to a place. */

import type { Place } from '../../query/position.ts'
import { overlayRows } from '../layout.ts'
import { fit, type Line, lineText, span } from '../lines.ts'
import type { Model, Overlay } from '../model.ts'
import { statisticsScreen } from './statistics.ts'

export interface OverlayRow {
  readonly line: Line
  /** Where Enter leads to; null: nowhere. */
  readonly target: Place | null
}

export interface OverlayScreen {
  readonly title: string
  readonly rows: readonly OverlayRow[]
}

const SCREENS: Readonly<Record<'statistics', (model: Model, width: number) => OverlayScreen>> = { statistics: statisticsScreen }

const screenFor = (model: Model, { screen }: Overlay): OverlayScreen => SCREENS[screen as 'statistics'](model, model.size.columns)

export const overlayTargets = (model: Model): readonly (Place | null)[] =>
  model.overlay === null ? [] : screenFor(model, model.overlay).rows.map(({ target }) => target)

export function overlayLines(model: Model): readonly Line[] {
  const { columns } = model.size
  const { at } = model.overlay!
  const { title, rows } = screenFor(model, model.overlay!)
  const height = overlayRows(model.size)
  const top = Math.min(Math.max(0, at - height + 1), Math.max(0, rows.length - height))
  const lines = rows.slice(top, top + height).map(({ line }, row): Line => {
    const isCurrent = top + row === at
    return isCurrent ? fit([span(`>${lineText(line).slice(1)}`, 'current')], columns) : fit(line, columns)
  })
  return [fit([span(`──[${title}]`.padEnd(columns, '─'), 'focus')], columns), ...lines]
}
