/** Rows of the state pane, and which pieces of them are values that a cursor can stand on. */

import type { Location } from '../../query/location.ts'
import { type Line, type Span, span } from '../lines.ts'

/** A value that can be chosen. */
export interface Pick {
  readonly row: number
  /** Its name among the spans of the row; the name begins with the sign of the cursor's column. */
  readonly at: number
  /** How to ask about it, if there is a way. */
  readonly location: Location | undefined
}

export interface Block {
  readonly lines: readonly Line[]
  /** In the order in which the cursor visits them. */
  readonly picks: readonly Pick[]
}

/** Lines of which the first begins with a value. */
export const valueBlock = (lines: readonly Line[], location: Location | undefined): Block => ({
  lines,
  picks: [{ row: 0, at: 0, location }],
})

export const plainBlock = (...lines: readonly Line[]): Block => ({ lines, picks: [] })

/** One under the other. */
export function stacked(blocks: readonly Block[]): Block {
  const lines: Line[] = []
  const picks: Pick[] = []
  for (const block of blocks) {
    picks.push(...block.picks.map(pick => ({ ...pick, row: pick.row + lines.length })))
    lines.push(...block.lines)
  }
  return { lines, picks }
}

/** The line with the cursor at a value of it. */
export const pointedAt = (line: Line, { at }: Pick): Line =>
  line.map((piece, position): Span => (position === at ? span(`>${piece.text.slice(1)}`, 'current') : piece))
