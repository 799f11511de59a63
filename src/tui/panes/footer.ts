/** The last line: news about the last key, then the keys that do something in the focused pane. */

import { BINDINGS, type Binding, keyLabel } from '../keys.ts'
import { fit, type Line, type Span, span, widthOf } from '../lines.ts'
import type { Model } from '../model.ts'

const isValidIn =
  ({ focus, help }: Model) =>
  ({ panes, command }: Binding): boolean =>
    help === null ? panes === undefined || panes.includes(focus) : command === 'row-down' || command === 'quit'

function hint({ keys, twin, footer }: Binding): readonly [key: string, words: string] {
  const back = twin === undefined ? undefined : BINDINGS.find(({ command }) => command === twin)?.keys[0]
  const isLetterPair = back !== undefined && keys[0]!.length === 1
  return [isLetterPair ? `${keys[0]}/${back}` : keyLabel(keys[0]!), footer!]
}

/** Keys for help and for leaving stay when there is no room for the others. */
const isLast = ({ command }: Binding): boolean => command === 'help' || command === 'quit'

export function footerLine(model: Model, width: number): Line {
  const hinted = BINDINGS.filter(binding => binding.footer !== undefined).filter(isValidIn(model))
  const spans = (binding: Binding): Span[] => {
    const [key, words] = hint(binding)
    const text = model.help !== null && isLast(binding) ? 'close' : words
    return [span(` ${key}`, 'strong'), span(` ${text} `)]
  }
  const lengthOf = (line: Line): number => line.reduce((sum, { text }) => sum + widthOf(text), 0)
  const tail = hinted.filter(isLast).flatMap(spans)
  let line: Line = model.notice === '' ? [] : [span(` ${model.notice} `, 'current'), span(' ')]
  for (const binding of hinted.filter(candidate => !isLast(candidate))) {
    const next = [...line, ...spans(binding)]
    if (lengthOf(next) + lengthOf(tail) > width) break
    line = next
  }
  return fit([...line, ...tail], width)
}
