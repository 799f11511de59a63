/** What does not hold of a run: a value, put into words elsewhere. */

import type { Cell, Place } from './plan.ts'

export interface Failure {
  readonly place: Place
  readonly expected: string
  readonly actual: string
  /** Empty if nothing is known. */
  readonly because: string
  /** The event to look at. */
  readonly event: number | null
  /** Instructions retired at the moment to look at, where that is no event. */
  readonly instructions?: number
  /** A cell that the expectation compares with. */
  readonly other?: Cell
}
