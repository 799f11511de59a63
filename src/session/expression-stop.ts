/** From an expression to a stop of a journey. */

import { parseExpression } from '../query/condition.ts'
import { valueAt } from './location-value.ts'
import type { Stop } from './stops.ts'
import type { Timeline } from './timeline.ts'
import { guestRegisters } from './timeline-guest.ts'

/** Throws `FilterError` where the text says nothing to stop at. */
export function stopOf({ reader }: Timeline, text: string): Stop {
  const expression = parseExpression(text, reader)
  if (expression.kind !== 'state') return expression
  return {
    kind: 'condition',
    holds: view => {
      const registers = guestRegisters(view)
      return expression.holds(location => valueAt(view, location, registers))
    },
  }
}
