/** The keyframes of a recording by where they stand. Places only grow, so few of them have to be looked at. */

import { NEVER } from '../hw/time/event-queue.ts'
import type { TraceReader } from '../trace/file.ts'
import type { Place } from './timeline-snapshots.ts'

export class TimelineKeyframes {
  readonly #reader: TraceReader
  /** How many of them this machine can be put to. */
  readonly #usable: number
  #end: Place | undefined

  constructor(reader: TraceReader, isOnlyFirstUsable: boolean) {
    this.#reader = reader
    this.#usable = isOnlyFirstUsable ? 1 : reader.keyframeCount
  }

  place(n: number): Place {
    const { index, instructions } = this.#reader.keyframePosition(n)
    return { events: index, instructions }
  }

  /** The last one of which `isBefore` is true, or the first. */
  latest(isBefore: (place: Place) => boolean): number {
    let low = 0
    let high = this.#usable
    while (low < high) {
      const middle = (low + high) >> 1
      if (isBefore(this.place(middle))) low = middle + 1
      else high = middle
    }
    return Math.max(0, low - 1)
  }

  /** That one, and the next one behind it, or the end. */
  #around(isBefore: (place: Place) => boolean): readonly [Place, Place] {
    const n = this.latest(isBefore)
    this.#end ??= { instructions: this.#reader.end?.instructions ?? NEVER, events: this.#reader.count }
    return [this.place(n), n + 1 < this.#usable ? this.place(n + 1) : this.#end]
  }

  /** Where an event that was not seen yet will be, between the keyframes around it: close enough to keep states near it. */
  guessedInstructions(index: number): number {
    const [from, to] = this.#around(({ events }) => events <= index)
    if (to.instructions === NEVER) return NEVER
    return from.instructions + ((index - from.events) / Math.max(1, to.events - from.events)) * (to.instructions - from.instructions)
  }

  /** How many events there will be before so many instructions. */
  guessedEvents(count: number): number {
    const [from, to] = this.#around(({ instructions }) => instructions < count)
    const share = Math.max(0, count - from.instructions) / Math.max(1, to.instructions - from.instructions)
    return Math.min(to.events, Math.round(from.events + share * (to.events - from.events)))
  }

  /** The last one with fewer instructions, or the first. */
  before({ instructions }: Place): number {
    return this.latest(place => place.instructions < instructions)
  }

  /** The one before that at `end`, if one stands there, and these pages were not written in between. */
  unwrittenSince(end: Place, pages: readonly number[]): Place | undefined {
    const n = this.before(end)
    if (n + 1 >= this.#usable) return undefined
    const next = this.place(n + 1)
    if (next.instructions !== end.instructions || next.events !== end.events) return undefined
    return this.#reader.keyframe(n + 1).pages.some(([page]) => pages.includes(page)) ? undefined : this.place(n)
  }
}
