/** The screens over the panes as rows of text, with the cursor's row in sight. */

import { overlayRows } from '../layout.ts'
import { fit, type Line, lineText, span } from '../lines.ts'
import type { Model, Overlay } from '../model.ts'
import type { OverlayRow, OverlayScreen } from '../overlay-screen.ts'
import { breakpointsScreen } from './breakpoints.ts'
import { diffScreen } from './diff.ts'
import { marksScreen } from './marks.ts'
import { outputScreen } from './output.ts'
import { statisticsScreen } from './statistics.ts'
import { whyScreen } from './why.ts'

const SCREENS: Readonly<Record<Overlay['screen'], (model: Model, width: number) => OverlayScreen>> = {
  breakpoints: breakpointsScreen,
  diff: diffScreen,
  marks: marksScreen,
  output: outputScreen,
  statistics: statisticsScreen,
  why: whyScreen,
}

const screenFor = (model: Model, { screen }: Overlay): OverlayScreen => SCREENS[screen](model, model.size.columns)

export const overlayRowsOf = (model: Model): readonly OverlayRow[] => (model.overlay === null ? [] : screenFor(model, model.overlay).rows)

export const overlayTitle = (model: Model): string => (model.overlay === null ? '' : screenFor(model, model.overlay).title)

export function overlayLines(model: Model): readonly Line[] {
  const { columns } = model.size
  const { at } = model.overlay!
  const { title, rows } = screenFor(model, model.overlay!)
  const height = overlayRows(model.size)
  const top = Math.min(Math.max(0, at - Math.floor(height / 2)), Math.max(0, rows.length - height))
  const lines = rows.slice(top, top + height).map(({ line }, row): Line => {
    const isCurrent = top + row === at
    return isCurrent ? fit([span(`>${lineText(line).slice(1)}`, 'current')], columns) : fit(line, columns)
  })
  return [fit([span(`──[${title}]`.padEnd(columns, '─'), 'focus')], columns), ...lines]
}
