/**
 * Takes the timeline to the places that the screen shows; where it stands already, it stays. Nobody else may move it. To a place far
 * from every known state it goes in pieces, between which the screen is drawn without that place's state.
 */

import { formatPosition, type Place } from '../query/position.ts'
import type { Timeline, TimelineView } from '../session/timeline.ts'
import type { Work } from './work.ts'

/** The way to a place. */
export interface Approach extends Work {
  /** Instructions at which it is. */
  readonly at: number
}

/** So much is run at once: a few hundredths of a second. */
const NEAR = { events: 1024, instructions: 65_536 }

export class Lookout {
  readonly #timeline: Timeline
  #at = ''
  #view: TimelineView | undefined
  #approach: { readonly wanted: string; readonly work: Approach } | undefined

  constructor(timeline: Timeline) {
    this.#timeline = timeline
  }

  view(place: Place): TimelineView {
    const wanted = formatPosition(place)
    if (wanted === this.#at) return this.#view!
    this.#leave()
    return this.#arrive(wanted, place.kind === 'event' ? this.#timeline.atEvent(place.index) : this.#timeline.atInstruction(place.count))
  }

  /** The place can be seen without waiting. */
  isThere(place: Place): boolean {
    const wanted = formatPosition(place)
    return wanted === this.#at || (wanted !== this.#approach?.wanted && this.#isNear(place))
  }

  /** On the way to a place; the same until the timeline is moved elsewhere. */
  approach(place: Place): Approach {
    const wanted = formatPosition(place)
    if (this.#approach?.wanted === wanted) return this.#approach.work
    this.#leave()
    const { index, count } = { index: 0, count: 0, ...place }
    const pieces = place.kind === 'event' ? this.#timeline.seekEvent(index) : this.#timeline.seekInstruction(count)
    const work = {
      at: this.#timeline.place.instructions,
      advance: (milliseconds: number): boolean => {
        const end = performance.now() + milliseconds
        while (performance.now() < end) {
          const { done, value } = pieces.next()
          work.at = value.instructions
          if (!done) continue
          this.#arrive(wanted, value)
          return true
        }
        return false
      },
    }
    this.#approach = { wanted, work }
    return work
  }

  #isNear(place: Place): boolean {
    const { events, instructions } =
      place.kind === 'event' ? this.#timeline.distanceToEvent(place.index) : this.#timeline.distanceToInstruction(place.count)
    return events <= NEAR.events && instructions <= NEAR.instructions
  }

  #leave(): void {
    this.#at = ''
    this.#approach = undefined
  }

  #arrive(at: string, view: TimelineView): TimelineView {
    this.#approach = undefined
    this.#at = at
    this.#view = view
    return view
  }
}
