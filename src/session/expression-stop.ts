/** From an expression to a stop of a journey. */

import { eventFinder } from '../query/select.ts'
import { parseStopExpression } from '../query/stop-expression.ts'
import type { Stop } from './stops.ts'
import type { Timeline } from './timeline.ts'

/** Throws `FilterError` where the text says nothing to stop at. */
export function stopOf({ reader }: Pick<Timeline, 'reader'>, text: string): Stop {
  const expression = parseStopExpression(text, reader.header.image)
  return expression.kind === 'event' ? { kind: 'event', find: eventFinder(reader, expression.matcher) } : expression
}
