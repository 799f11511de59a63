/** What a journey through a recorded run stops at, asked moment by moment. */

import type { Engine } from '../hw/cpu/engine.ts'
import type { Location } from '../query/location.ts'
import { bitsOf } from '../query/location.ts'
import { MemoryWatch, valueAt } from './location-value.ts'
import type { Timeline, TimelineView } from './timeline.ts'
import { guestRegisters } from './timeline-guest.ts'

/**
 * address: the guest is about to execute there. change: what a location holds is not what it was. event: an event of the recording,
 * by its number, as `find` says. condition: what `holds` says of a moment became true.
 */
export type Stop =
  | { readonly kind: 'address'; readonly address: bigint }
  | { readonly kind: 'change'; readonly location: Location }
  | { readonly kind: 'event'; readonly find: (from: number, direction: 1 | -1) => number }
  | { readonly kind: 'condition'; readonly holds: Condition }

/** Asked with a moment and the events since the one before: [from, to). */
export type Condition = (view: TimelineView, from: number, to: number) => boolean

/** Sees every moment of a stretch in order; says of which stop, by its place in the list, it is one. -1: none. */
export class Watcher {
  readonly #timeline: Timeline
  readonly #addresses: ReadonlyMap<bigint, number>
  readonly #watches: readonly { readonly position: number; readonly read: (engine: Engine) => unknown }[]
  readonly #conditions: readonly { readonly position: number; readonly holds: Condition }[]
  #values: unknown[] = []
  #truths: boolean[] = []
  #events = 0

  constructor(timeline: Timeline, stops: readonly Stop[]) {
    this.#timeline = timeline
    this.#addresses = new Map(stops.flatMap((stop, position) => (stop.kind === 'address' ? [[stop.address, position]] : [])))
    this.#watches = stops.flatMap((stop, position) =>
      stop.kind === 'change' ? [{ position, read: readerOf(timeline, stop.location) }] : [],
    )
    this.#conditions = stops.flatMap((stop, position) => (stop.kind === 'condition' ? [{ position, holds: stop.holds }] : []))
  }

  /** The first moment of a stretch: what later ones are compared with. */
  begin(engine: Engine): void {
    this.#values = this.#watches.map(({ read }) => read(engine))
    if (this.#conditions.length === 0) return
    const view = this.#timeline.here()
    this.#events = view.eventIndex
    this.#truths = this.#conditions.map(({ holds }) => holds(view, view.eventIndex, view.eventIndex))
  }

  /** The address that is stopped at here; changes and truth need a moment before. */
  stopAt(engine: Engine): number {
    return this.#addresses.size === 0 ? -1 : (this.#addresses.get(engine.rip) ?? -1)
  }

  see(engine: Engine): number {
    let found = -1
    for (let i = 0; i < this.#watches.length; i++) {
      const { position, read } = this.#watches[i]!
      const value = read(engine)
      if (value !== this.#values[i] && found < 0) found = position
      this.#values[i] = value
    }
    if (this.#conditions.length > 0) found = this.#judge(found)
    return found >= 0 ? found : this.stopAt(engine)
  }

  #judge(found: number): number {
    const view = this.#timeline.here()
    let stop = found
    for (const [i, { position, holds }] of this.#conditions.entries()) {
      const isTrue = holds(view, this.#events, view.eventIndex)
      if (isTrue && !this.#truths[i] && stop < 0) stop = position
      // What held because of an event is over with it.
      this.#truths[i] = isTrue && holds(view, view.eventIndex, view.eventIndex)
    }
    this.#events = view.eventIndex
    return stop
  }
}

/** A quick look at a location while the guest is on the CPU. */
function readerOf(timeline: Timeline, location: Location): (engine: Engine) => unknown {
  if (location.kind === 'register') return ({ registers }) => bitsOf(location, registers.gpr[location.index]!)
  if (location.kind === 'system' && location.name === 'rip') return engine => engine.rip
  if (location.kind === 'memory') {
    const watch = new MemoryWatch(location)
    return ({ machine, index }) => watch.read(machine, index)
  }
  return () => {
    const view = timeline.here()
    return valueAt(view, location, guestRegisters(view))
  }
}
