/** The line above a pane: its name, the focused one in brackets, and the names of those behind it. */

import { visiblePanes } from './layout.ts'
import { cut, fit, type Line, span, widthOf } from './lines.ts'
import { type Model, PANES, type PaneName } from './model.ts'
import { sourceFile } from './panes/code.ts'

const WORDS: Readonly<Record<PaneName, string>> = { code: 'code', events: 'events', state: 'registers' }

/** The panes that share this place. */
function tabsOf(model: Model, pane: PaneName): readonly PaneName[] {
  const visible = visiblePanes(model).length
  if (visible === 1) return PANES
  return visible === 2 && pane !== 'code' ? PANES.filter(name => name !== 'code') : [pane]
}

export function titleLine(model: Model, pane: PaneName, width: number): Line {
  const titles = tabsOf(model, pane)
    .map(name => (name === model.focus ? `[${WORDS[name]}]` : ` ${WORDS[name]} `))
    .join('─')
  const file = pane === 'code' ? cut(sourceFile(model), Math.max(0, width - widthOf(titles) - 6)) : ''
  const text = `──${titles}${file === '' ? '' : `─ ${file} `}`
  const rest = '─'.repeat(Math.max(0, width - widthOf(text)))
  return fit([span(text, pane === model.focus ? 'strong' : 'title'), span(rest, 'title')], width)
}

export const helpTitle = (width: number): Line => [span('──[all keys]'.padEnd(width, '─'), 'strong')]
