/** What a person may type to say where: the position grammar, and a bare event number. */

import { type Place, POSITION_FORMS, parsePosition, resolvePosition } from '../query/position.ts'
import type { Model } from './model.ts'

/** The place, or what is wrong with the text. */
export function placeNamed({ trace }: Pick<Model, 'trace'>, typed: string): Place | string {
  const text = typed.trim()
  const position = parsePosition(/^\d+$/.test(text) ? `#${text}` : text)
  if (position === undefined) return `write ${POSITION_FORMS}`
  const found = resolvePosition(position, trace.count)
  if (found === undefined) return `the last event is #${trace.count - 1}`
  return found.kind === 'instruction' && found.count > trace.instructions ? `the run has ${trace.instructions} instructions` : found
}
