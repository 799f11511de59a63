/**
 * States of a run kept in memory, so that going back is: restore the nearest one, run forward. Snapshots share the pages that did
 * not change between them; when there are too many, the one that was of no use for the longest time goes.
 */

import type { Machine } from '../hw/machine.ts'
import { restoreSnapshot, type Snapshot, takeSnapshot } from '../hw/snapshot.ts'

/** Where a state stands in the run. Both only grow. */
export interface Place {
  /** Instructions retired. */
  readonly instructions: number
  /** Events emitted. */
  readonly events: number
}

export const isAfter = (a: Place, b: Place): boolean =>
  a.instructions > b.instructions || (a.instructions === b.instructions && a.events > b.events)

interface Kept extends Place {
  readonly state: Snapshot['state']
  readonly registers: Uint8Array
  readonly pages: ReadonlyMap<number, Uint8Array>
  usedAt: number
}

const MOST_KEPT = 256

export class TimelineSnapshots {
  readonly #machine: Machine
  readonly #kept: Kept[] = []
  /** Memory as of the last keeping or restoring; what was written since is marked in the machine. */
  #pages: ReadonlyMap<number, Uint8Array> = new Map()
  #uses = 0

  constructor(machine: Machine) {
    this.#machine = machine
  }

  /** The latest state that satisfies the condition. */
  latest(isBefore: (place: Place) => boolean): Place | null {
    let best: Kept | null = null
    for (const kept of this.#kept) if (isBefore(kept) && (best === null || isAfter(kept, best))) best = kept
    return best
  }

  /** The earliest state since which none of these pages was written, up to the first one that is not before `until`. */
  unwrittenSince(until: Place, pages: readonly number[]): Place | undefined {
    const inOrder = [...this.#kept].sort((a, b) => a.instructions - b.instructions || a.events - b.events)
    let at = inOrder.findIndex(kept => !isAfter(until, kept))
    const last = inOrder[at]
    if (last === undefined) return undefined
    const isSame = (kept: Kept): boolean => pages.every(page => kept.pages.get(page) === last.pages.get(page))
    while (at > 0 && isSame(inOrder[at - 1]!)) at--
    const { instructions, events } = inOrder[at]!
    return { instructions, events }
  }

  /** Keeps the machine's state, unless this place has one. */
  keep({ instructions, events }: Place): void {
    if (this.#kept.some(kept => kept.instructions === instructions && kept.events === events)) return
    const { state, registers, pages } = takeSnapshot(this.#machine, true)
    this.#pages = new Map([...this.#pages, ...pages])
    this.#kept.push({ instructions, events, state, registers, pages: this.#pages, usedAt: ++this.#uses })
    if (this.#kept.length > MOST_KEPT) this.#forgetOne()
  }

  /** Puts a state that `latest` gave back into the machine. */
  restore(place: Place): void {
    const kept = place as Kept
    kept.usedAt = ++this.#uses
    this.restoreFrom({ state: kept.state, registers: kept.registers, pages: [] }, kept.pages)
  }

  /** The same for a state from elsewhere, whose memory is `pages`. */
  restoreFrom(snapshot: Snapshot, pages: ReadonlyMap<number, Uint8Array>): void {
    restoreSnapshot(this.#machine, { ...snapshot, pages: [...pages] })
    this.#machine.memory.takeWrittenPages() // the marks that restoring left
    this.#pages = pages
  }

  #forgetOne(): void {
    let oldest = 0
    for (const [position, { usedAt }] of this.#kept.entries()) if (usedAt < this.#kept[oldest]!.usedAt) oldest = position
    this.#kept.splice(oldest, 1)
  }
}
