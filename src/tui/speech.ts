/**
 * The explorer for people who listen: no screen, but a line for each movement, in the order in which one would say it. What is said is
 * what changed; where nothing did, the present row again.
 */

import { formatPosition } from '../query/position.ts'
import { eventColumns } from '../trace/format.ts'
import { cliRun } from './cli.ts'
import { compareWords } from './compare.ts'
import { regions } from './layout.ts'
import { grouped, type Line, lineText, printable } from './lines.ts'
import type { Model } from './model.ts'
import { paletteRows } from './palette.ts'
import { codeLines } from './panes/code.ts'
import { progressWords, promptSign } from './panes/footer.ts'
import { overlayRowsOf, overlayTitle } from './panes/overlay.ts'
import { stateTexts, valueUnderCursor } from './panes/state.ts'
import { scopeOf } from './panes/timeline-scope.ts'
import { completionsOf, promptNews } from './prompt.ts'
import { whyWork } from './why.ts'

const MOST_ROWS = 200

const said = (line: Line): string =>
  lineText(line)
    .replace(/[─│┌└┬┴]/g, ' ')
    .replace(/ {3,}/g, '  ')
    .trim()

/** The instruction that comes next, with its source line. */
function nextWords({ trace, place }: Model): string {
  const code = trace.code(place)
  const at = code.findIndex(row => row.kind === 'code' && row.isCurrent)
  const row = code[at]
  const source = code.findLast((other, position) => other.kind === 'source' && position < at)
  if (row?.kind !== 'code') return ''
  return `next ${row.text}${source?.kind === 'source' ? `, ${source.file} line ${source.line}` : ''}`
}

/** Where one is and what happens there. */
export function placeWords(model: Model): string {
  const { trace, place, notes, marks } = model
  const at = formatPosition(place)
  const mark = [...marks].find(([, marked]) => formatPosition(marked) === at)?.[0]
  const extra = [...(mark === undefined ? [] : [`mark ${mark}`]), ...(notes.has(at) ? [`note: ${notes.get(at)}`] : [])]
  if (place.kind === 'instruction') return [`${at} of ${trace.instructions}`, nextWords(model), ...extra].join(', ')
  const event = trace.event(place.index)
  const { level, word, detail } = eventColumns(event)
  const since = place.index === 0 ? [] : [`${grouped(event.tick - trace.event(place.index - 1).tick)} cycles later`]
  const within = model.folded.has(place.index) ? [`folded, ${trace.index.partner[place.index]! - place.index - 1} within`] : []
  return [
    `${at} of ${trace.count}`,
    `${level} ${word} ${printable(detail)}`.trimEnd(),
    ...since,
    ...within,
    nextWords(model),
    ...extra,
  ].join(', ')
}

/** The row under the cursor of the focused pane. */
function rowWords(model: Model): string {
  switch (model.focus) {
    case 'state':
      return valueUnderCursor(model)
    case 'timeline':
      return scopeOf(model, 100).words
    default:
      return placeWords(model)
  }
}

/** All of the focused pane. */
function paneTexts(model: Model): readonly string[] {
  if (model.focus === 'state') return stateTexts(model)
  if (model.focus === 'code') return codeLines(model, 200, regions(model)[0]!.rows).map(said)
  return [rowWords(model)]
}

/** What the screen over the panes says, when it is all there; before that, what it is going to be about. */
export function overlayTexts(model: Model): readonly string[] {
  const { overlay, trace } = model
  if (overlay === null) return []
  const isWaiting = cliRun(model)?.status === undefined && overlay.request !== undefined
  if (isWaiting || (overlay.question !== undefined && !whyWork(trace, overlay.question).isWhole)) return [overlayTitle(model)]
  const rows = overlayRowsOf(model)
  const more = rows.length > MOST_ROWS ? [`and ${rows.length - MOST_ROWS} more rows`] : []
  return [overlayTitle(model), ...rows.slice(0, MOST_ROWS).map(({ line }) => said(line)), ...more].filter(text => text !== '')
}

function overlayRowNews(was: Model, is: Model): readonly string[] {
  if (is.overlay === null) return was.overlay === null ? [] : [placeWords(is)]
  return was.overlay === null || was.overlay.at === is.overlay.at ? [] : [said(overlayRowsOf(is)[is.overlay.at]!.line)]
}

/** While a line is typed: what is chosen of a list, what could follow. */
function promptNewsOf(was: Model, is: Model): readonly string[] {
  const { prompt } = is
  if (prompt === null) return []
  if (prompt.trouble !== '' && prompt.trouble !== was.prompt?.trouble) return [prompt.trouble]
  if (prompt.kind !== 'palette') return []
  const chosen = paletteRows(is)[prompt.at]
  return chosen === undefined ? ['no command fits'] : [`${chosen.label} ${chosen.name}: ${chosen.help}`]
}

function viewNews(was: Model, is: Model): readonly string[] {
  if (was.stateView !== is.stateView || (is.focus === 'state' && was.memory !== is.memory)) return [`${is.stateView}:`, ...stateTexts(is)]
  if (was.focus !== is.focus) return [`${is.focus}: ${rowWords(is)}`]
  if (was.zoomed !== is.zoomed) return is.zoomed ? paneTexts(is) : [rowWords(is)]
  if (was.stateAt !== is.stateAt || was.span !== is.span || was.pan !== is.pan) return [rowWords(is)]
  if (was.codeScroll !== is.codeScroll) return [said(codeLines(is, 200, 1)[0] ?? [])]
  if (was.compare !== is.compare) return [`changes are marked against ${compareWords(is)}`]
  if (was.filter !== is.filter) return [is.filter === '' ? 'all events' : `filter ${is.filter}: ${is.trace.select(is.filter).count} events`]
  return was.folded === is.folded ? [] : [placeWords(is)]
}

/** What is to be said about a step from one model to another, the screen over the panes aside. */
export function announcement(was: Model, is: Model): readonly string[] {
  if (is.prompt !== null) return promptNewsOf(was, is)
  const pending = is.pending === null || was.pending !== null ? [] : ['and a letter']
  const news = [...(is.notice === '' || is.notice === was.notice ? [] : [is.notice]), ...pending]
  const progress = progressWords(is)
  if (progress !== '') return progressWords(was) === '' ? [...news, progress] : news
  if (is.overlay !== null || was.overlay !== null) return [...news, ...overlayRowNews(was, is)]
  const isMoved = formatPosition(was.place) !== formatPosition(is.place) || was.trace !== is.trace
  return [...news, ...(isMoved ? [placeWords(is)] : viewNews(was, is))]
}

/** The line that is typed, as far as it is to be written behind what stands there already. */
export function echo(was: Model, is: Model): string {
  if (is.prompt === null) return was.prompt === null ? '' : '\n'
  const line = ({ prompt }: Model): string => (prompt === null ? '' : promptSign(prompt.kind) + prompt.text)
  const [before, now] = [line(was), line(is)]
  if (now === before) return ''
  if (before !== '' && now.startsWith(before)) return now.slice(before.length)
  return before === '' ? now : `\n${now}`
}

/** What stands at the end of the line that is typed: how many it finds, what may follow. */
export function promptWords(model: Model): string {
  if (model.prompt?.kind === 'command') return completionsOf(model).slice(0, 6).join(', ')
  return model.prompt === null || model.prompt.kind === 'palette' ? '' : promptNews(model)
}

export const greeting = (model: Model): readonly string[] => [
  `vtick ${model.trace.name}, ${model.trace.mode}. j and k: next and previous event. Tab: next pane. z: all of the pane. ?: all keys. q: quit.`,
  placeWords(model),
]
