/**
 * What a person may type to say where: the position grammar, a bare event number, or a label for its first visit. What only a run of the
 * guest can tell (`tsc:`, visits, `@fail`) is a journey.
 */

import { POSITION_FORMS, parsePosition, resolvePosition } from '../query/position.ts'
import { begin } from './journeys.ts'
import type { Model } from './model.ts'
import { jumpTo } from './movement.ts'
import type { TraceSource } from './trace-source.ts'

/** In the position grammar's own terms. */
function positionText({ image }: TraceSource, text: string): string {
  if (/^\d+$/.test(text)) return `#${text}`
  return image.symbols.some(({ name, kind }) => kind === 'label' && name === text) ? `${text}#1` : text
}

/** On the way to what was typed, or there; a text is what is wrong with it. */
export function goToNamed(model: Model, typed: string): Model | string {
  const { trace, marks } = model
  const text = positionText(trace, typed.trim())
  const position = parsePosition(text)
  if (position === undefined) return `write ${POSITION_FORMS}`
  switch (position.kind) {
    case 'mark': {
      const marked = marks.get(position.name)
      return marked === undefined ? `no mark ${text}: m and a letter sets one` : jumpTo(model, marked)
    }
    case 'tsc':
    case 'visit':
    case 'fail':
      return begin(model, { kind: 'find', direction: 1, stops: [], position: text })
    default: {
      const found = resolvePosition(position, trace.count)
      if (found === undefined) return `the last event is #${trace.count - 1}`
      if (found.kind === 'instruction' && found.count > trace.instructions) return `the run has ${trace.instructions} instructions`
      return jumpTo(model, found)
    }
  }
}
