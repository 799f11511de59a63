/** A screen over the panes: a list of rows, of which some lead to a place. */

import type { Place } from '../query/position.ts'
import type { Line } from './lines.ts'
import type { WhyQuestion } from './model.ts'

export interface OverlayRow {
  readonly line: Line
  /** Where Enter leads to; null: nowhere. */
  readonly target: Place | null
  /** What Enter asks instead. */
  readonly question?: WhyQuestion
}

export interface OverlayScreen {
  readonly title: string
  readonly rows: readonly OverlayRow[]
}
