/** What a person types to say where, by `session/locate.ts`. What only a run of the guest can tell is a journey. */

import { isNowhere, placeNamed } from '../session/locate.ts'
import { begin } from './journeys.ts'
import type { Model } from './model.ts'
import { jumpTo } from './movement.ts'

/** On the way to what was typed, or there; a text is what is wrong with it. */
export function goToNamed(model: Model, typed: string): Model | string {
  const { trace, marks } = model
  const named = placeNamed(trace, typed, marks)
  if (isNowhere(named)) return `${named.problem}; ${named.help}`
  switch (named.kind) {
    case 'marked':
      return jumpTo(model, named.at)
    case 'event':
    case 'instruction':
      return jumpTo(model, named)
    default:
      return begin(model, { kind: 'find', direction: 1, stops: [], position: typed })
  }
}
