/** The list of all keys, over the panes. */

import { HELP_ROWS } from '../keys.ts'
import { fit, type Line, span } from '../lines.ts'

const KEYS_COLUMN = 19

export const helpLines = (top: number, width: number, rows: number): readonly Line[] =>
  HELP_ROWS.slice(top, top + rows).map(({ keys, help }) => fit([span(` ${keys.padEnd(KEYS_COLUMN)}`, 'strong'), span(help)], width))
