/** The last line: what is being typed; or news about the last key, then the keys that do something in the focused pane. */

import { journeyWork } from '../journeys.ts'
import { BINDINGS, type Binding, bindingOf, isOnScreen, keyLabel, pairLabel } from '../keymap.ts'
import { cut, fit, type Line, type Span, span, widthOf } from '../lines.ts'
import { type Model, screenOf } from '../model.ts'
import { completionsOf, promptNews } from '../prompt.ts'
import { rerunWork } from '../rerun.ts'
import { whyWork } from '../why.ts'

const isValidIn =
  (model: Model) =>
  (binding: Binding): boolean =>
    isOnScreen(binding, screenOf(model)) && (binding.panes === undefined || binding.panes.includes(model.focus))

/** The keys that the footer offers, most useful first; help and leaving stay when there is no room for the others. */
const ranked = (): readonly Binding[] =>
  BINDINGS.filter(({ rank, keys }) => rank !== undefined && keys.length > 0).toSorted((a, b) => a.rank! - b.rank!)
const isTail = ({ rank }: Binding): boolean => rank === 0

export interface Hint {
  readonly binding: Binding
  readonly spans: readonly Span[]
}

function hintOf(model: Model, binding: Binding): Hint {
  const words = binding.command === 'quit' && (model.overlay !== null || model.zoomed) ? 'close' : binding.footer
  return { binding, spans: [span(` ${pairLabel(binding)}`, 'key'), span(` ${words} `)] }
}

const lengthOf = (line: Line): number => line.reduce((sum, { text }) => sum + widthOf(text), 0)

/** As many hints as fit in front of the last ones. */
export function footerHints(model: Model, width: number, used: number): readonly Hint[] {
  const valid = ranked()
    .filter(isValidIn(model))
    .map(binding => hintOf(model, binding))
  const tail = valid.filter(({ binding }) => isTail(binding))
  let left = width - used - tail.reduce((sum, { spans }) => sum + lengthOf(spans), 0)
  const head: Hint[] = []
  for (const hint of valid.filter(({ binding }) => !isTail(binding))) {
    left -= lengthOf(hint.spans)
    if (left < 0) break
    head.push(hint)
  }
  return [...head, ...tail]
}

const SIGNS = { search: '/', filter: 'filter: ', 'go-to': 'go to: ', command: ':', palette: '? ' } as const

export const promptSign = (kind: keyof typeof SIGNS): string => SIGNS[kind]

function promptLine(model: Model, width: number): Line {
  const { prompt } = model
  const { kind, text, trouble } = prompt!
  const news = trouble === '' ? promptNews(model) : trouble
  const completions = kind === 'command' ? completionsOf(model).slice(0, 6) : []
  const typed: Span[] = [span(SIGNS[kind], 'key'), span(text), span(' ', 'current')]
  const rest = completions.length > 0 && trouble === '' ? `  ${completions.join('  ')}` : news === '' ? '' : `  ${news}`
  const left = width - lengthOf(typed) - widthOf(rest)
  const close = ['  Enter runs it, Esc closes', '  Esc closes'].find(words => words.length <= left) ?? ''
  return fit([...typed, span(rest, trouble === '' ? 'dim' : 'warning'), span(close, 'dim')], width)
}

/** What still goes on behind the screen. */
export function progressWords({ trace, place, filter, seeking, journey, rerun, overlay }: Model): string {
  for (const [text, words] of [
    [filter, 'filtering'],
    [seeking?.filter ?? '', 'searching'],
  ] as const) {
    if (text === '') continue
    const { isWhole, share } = trace.select(text)
    if (!isWhole) return `${words} ${Math.floor(share * 100)}%, Esc stops`
  }
  if (rerun !== null) return `running the guest again: i:${rerunWork(trace, rerun).at}, Esc stops`
  const asking = overlay?.question === undefined ? undefined : whyWork(trace, overlay.question)
  if (asking?.isWhole === false) return `looking back from i:${asking.at}, Esc stops`
  if (journey !== null) return `running the guest: i:${journeyWork(trace, journey).at}, Esc stops`
  return trace.isThere(place) ? '' : `running the guest: i:${trace.approach(place).at}, Esc goes back`
}

/** Room for the keys that always stand there. */
const TAIL = 24

export function footerLine(model: Model, width: number): Line {
  if (model.prompt !== null) return promptLine(model, width)
  const waiting = model.pending === null ? '' : `${keyLabel(bindingOf(model.pending).keys[0] ?? model.pending)} and a letter`
  const news = [model.notice, waiting, progressWords(model)].filter(text => text !== '').join('; ')
  const front: Line = news === '' ? [] : [span(` ${cut(news, width - TAIL)} `, 'current'), span(' ')]
  return fit([...front, ...footerHints(model, width, lengthOf(front)).flatMap(({ spans }) => spans)], width)
}
