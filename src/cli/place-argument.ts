/** The position that a command is told, as a place in the trace that it is about. */

import type { Place } from '../query/position.ts'
import { isNowhere, placeNamed } from '../session/locate.ts'
import type { Timeline } from '../session/timeline.ts'
import type { TraceReader } from '../trace/file.ts'
import { cursorIn } from './cursor-argument.ts'
import { usageError } from './exit-codes.ts'
import { withoutMark } from './marks-file.ts'
import type { Terminal } from './terminal.ts'

export function requireEvents(reader: TraceReader, name: string): void {
  if (reader.count === 0 || reader.keyframeCount === 0)
    throw usageError(`${name} holds nothing to explore`, 'record the guest again with `vtick run FILE --record T.vtrace`')
}

/** Null: interrupted. What is no position, or lies outside the trace, is a usage error. Runs the trace only where nothing else can tell. */
export async function placeIn(terminal: Terminal, timeline: Timeline, { name, at }: { name: string; at: string }): Promise<Place | null> {
  const { reader, instructions } = timeline
  const position = withoutMark(terminal.io, name, reader, at)
  const named = placeNamed({ image: reader.header.image, count: reader.count, instructions }, position, new Map())
  if (!isNowhere(named) && (named.kind === 'event' || named.kind === 'instruction')) return named
  const cursor = await cursorIn(terminal, timeline, { name, at })
  if (cursor === null) return null
  return cursor.event === undefined ? { kind: 'instruction', count: cursor.instructions } : { kind: 'event', index: cursor.event }
}
