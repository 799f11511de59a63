/** The position that a command is told, as a cursor in a trace that can be run. */

import { isNowhere, locate } from '../session/locate.ts'
import type { Timeline } from '../session/timeline.ts'
import type { Cursor } from '../session/travel.ts'
import { usageError } from './exit-codes.ts'
import { withoutMark } from './marks-file.ts'
import { runSlices, waiting } from './slices.ts'
import type { Terminal } from './terminal.ts'

/** Null: interrupted. What is no position, or lies outside the trace, is a usage error. */
export async function cursorIn(terminal: Terminal, timeline: Timeline, { name, at }: { name: string; at: string }): Promise<Cursor | null> {
  const position = withoutMark(terminal.io, name, timeline.reader, at)
  const { value } = await runSlices(terminal, waiting(locate(timeline, position)), { doing: `looking for ${at}` })
  if (value === null) return null
  if (isNowhere(value)) throw usageError(`${name}: ${value.problem}`, value.help)
  return value
}
