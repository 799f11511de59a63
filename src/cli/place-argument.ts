/** The position that a command is told, in the trace that it is about. */

import { type Place, POSITION_FORMS, parsePosition, resolvePosition } from '../query/position.ts'
import type { TraceReader } from '../trace/file.ts'
import { usageError } from './exit-codes.ts'

/** The trace's beginning without `at`. What is no position, or lies outside the trace, is a usage error. */
export function placeIn(reader: TraceReader, name: string, at: string | undefined): Place {
  if (reader.count === 0 || reader.keyframeIndex.length === 0)
    throw usageError(`${name} holds nothing to explore`, 'record the guest again with `vtick run FILE --record T.vtrace`')
  if (at === undefined) return { kind: 'event', index: 0 }
  const position = parsePosition(at)
  if (position === undefined) throw usageError(`\`${at}\` is no position`, `write ${POSITION_FORMS}`)
  const place = resolvePosition(position, reader.count)
  if (place === undefined) throw usageError(`${name} has no event ${at}`, `its last is #${reader.count - 1}, or @end`)
  return place
}
