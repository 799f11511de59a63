/** The position that a command is told, in the trace that it is about. */

import type { Place } from '../query/position.ts'
import { isNowhere, locate } from '../session/locate.ts'
import { finished, openTimeline } from '../session/timeline.ts'
import type { TraceReader } from '../trace/file.ts'
import { usageError } from './exit-codes.ts'
import type { Io } from './io.ts'
import { withoutMark } from './marks-file.ts'

/** The trace's beginning without `at`. What is no position, or lies outside the trace, is a usage error. */
export function placeIn(io: Io, { name, reader }: { name: string; reader: TraceReader }, at: string | undefined): Place {
  if (reader.count === 0 || reader.keyframeCount === 0)
    throw usageError(`${name} holds nothing to explore`, 'record the guest again with `vtick run FILE --record T.vtrace`')
  if (at === undefined) return { kind: 'event', index: 0 }
  const cursor = finished(locate(openTimeline(reader), withoutMark(io, name, reader, at)))
  if (isNowhere(cursor)) throw usageError(`${name}: ${cursor.problem}`, cursor.help)
  return cursor.event === undefined ? { kind: 'instruction', count: cursor.instructions } : { kind: 'event', index: cursor.event }
}
