/** What an expectation may look at. */

import type { CellRun } from './cell-run.ts'
import type { Cell } from './plan.ts'
import type { WalkFacts } from './walk-facts.ts'

export interface Evidence {
  readonly run: CellRun
  /** The run instruction by instruction; made when the first expectation asks. */
  readonly facts: () => WalkFacts
  /** The run of another cell of the same test. */
  readonly runOf: (cell: Cell) => CellRun
}
