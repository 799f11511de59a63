/** What the present place is compared with, so that changes carry a mark: the event or instruction before, the last exit, a mark. */

import type { Place } from '../query/position.ts'
import { EXIT_EVENTS } from './event-index.ts'
import type { ComparePoint, Model } from './model.ts'
import { placeBefore } from './trace-source.ts'

/** The place itself where there is nothing to compare with. */
export function comparePlace(model: Pick<Model, 'trace' | 'place' | 'compare' | 'marks' | 'lastMark'>): Place {
  const { trace, place, compare, marks, lastMark } = model
  switch (compare) {
    case 'previous':
      return placeBefore(place)
    case 'exit': {
      const index = trace.eventBehind(place)
      const exit = index === 0 ? -1 : trace.find(EXIT_EVENTS, index - 1, -1)
      return exit < 0 ? place : { kind: 'event', index: exit }
    }
    case 'mark':
      return marks.get(lastMark) ?? place
  }
}

/** In words, for the title and the notice. */
export const compareWords = ({ compare, lastMark }: { readonly compare: ComparePoint; readonly lastMark: string }): string =>
  ({ previous: 'the event or instruction before', exit: 'the last exit', mark: `mark '${lastMark}` })[compare]

/** The level whose doing the present place is. */
export function runningLevel({ trace, place, vcpu }: Pick<Model, 'trace' | 'place' | 'vcpu'>): number {
  if (place.kind === 'event' && vcpu === undefined) return trace.event(place.index).level
  const { registers, eventIndex, cpu } = trace.moment(place, vcpu)
  if (registers.level === 0 || eventIndex === 0) return registers.level
  return eventIndex <= trace.index.known ? trace.index.levelBefore(eventIndex, cpu) : registers.level
}
