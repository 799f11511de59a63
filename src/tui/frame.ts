/** A frame as rows of text: header, the panes side by side with their titles, the timeline under them, footer; or a screen over all. */

import { type Region, regions, tabsOf } from './layout.ts'
import { cut, fit, type Line, span, widthOf } from './lines.ts'
import type { Model, PaneName } from './model.ts'
import { codeLines, sourceFile } from './panes/code.ts'
import { eventLines } from './panes/events.ts'
import { footerLine } from './panes/footer.ts'
import { headerLine } from './panes/header.ts'
import { overlayLines } from './panes/overlay.ts'
import { paletteLines } from './panes/palette.ts'
import { registerRows, shownView, stateRows } from './panes/state.ts'
import { timelineLines } from './panes/timeline.ts'
import { scopeOf } from './panes/timeline-scope.ts'

const VIEWS: Readonly<Record<Region['pane'], (model: Model, width: number, rows: number) => readonly Line[]>> = {
  code: codeLines,
  events: eventLines,
  state: stateRows,
  registers: registerRows,
  timeline: timelineLines,
}

const WORDS: Readonly<Record<PaneName, string>> = { code: 'code', events: 'events', state: 'state', timeline: 'timeline' }

/** What the title says besides the pane's name. */
function subject(model: Model, pane: Region['pane']): string {
  if (pane === 'code') return model.trace.isThere(model.place) ? sourceFile(model) : ''
  if (pane === 'state') return shownView(model)
  if (pane === 'timeline') return scopeOf(model, model.size.columns).words
  return pane === 'events' && model.filter !== '' ? `filter: ${model.filter}` : ''
}

/** The line above a pane: its name, the focused one in brackets, and the names of those behind it. */
function titleLine(model: Model, { pane, width }: Region): Line {
  const names = tabsOf(model, pane).map(name => (name === model.focus ? `[${WORDS[name]}]` : ` ${WORDS[name]} `))
  const titles = pane === 'registers' ? ' registers ' : names.join('─')
  const about = cut(subject(model, pane), Math.max(0, width - widthOf(titles) - 6))
  const text = cut(`──${titles}${about === '' ? '' : `─ ${about} `}`, width)
  return fit([span(text, pane === model.focus ? 'focus' : 'title'), span('─'.repeat(Math.max(0, width - widthOf(text))), 'title')], width)
}

/** These show the state of the machine. */
const OF_STATE: ReadonlySet<Region['pane']> = new Set(['code', 'state', 'registers'])

/** A pane, title and all; short ones are filled up. While the guest runs to the place, its state is not there to be shown. */
function paneLines(model: Model, region: Region): readonly Line[] {
  const { pane, width, rows } = region
  const isWaiting = OF_STATE.has(pane) && !model.trace.isThere(model.place)
  const lines = isWaiting ? [fit([span('  ... the guest runs to here', 'dim')], width)] : VIEWS[pane](model, width, rows).slice(0, rows)
  const blank = fit([], width)
  return [titleLine(model, region), ...Array.from({ length: rows }, (_, row) => lines[row] ?? blank)]
}

function bodyLines(model: Model): readonly Line[] {
  const across = regions(model).filter(({ top }) => top === 1)
  const below = regions(model).filter(({ top }) => top > 1)
  const columns = across.map(region => paneLines(model, region))
  const beside = columns[0]!.map((_, row) =>
    columns.flatMap((lines, column) => [...(column === 0 ? [] : [span(row === 0 ? '┬' : '│', 'title')]), ...lines[row]!]),
  )
  return [...beside, ...below.flatMap(region => paneLines(model, region))]
}

export function frameLines(model: Model): readonly Line[] {
  const { columns, rows } = model.size
  const body = model.prompt?.kind === 'palette' ? paletteLines(model) : model.overlay === null ? bodyLines(model) : overlayLines(model)
  const blank = fit([], columns)
  return [headerLine(model, columns), ...Array.from({ length: rows - 2 }, (_, row) => body[row] ?? blank), footerLine(model, columns)]
}
