/** The events of a trace that a filter lets through, by number. */

import type { EventKind } from '../spec/trace-events.ts'
import { exitMsrs } from '../trace/exit-walk.ts'
import type { TraceReader } from '../trace/file.ts'
import { EVENT_KINDS } from './filter-fields.ts'
import type { Matcher } from './filter-tests.ts'

const NO_MSRS: ReadonlyMap<number, number> = new Map()

/** Chunk by chunk, in order: the numbers of the events in it that match. Nothing behind the last chunk taken is read. */
export function* selectByChunk(reader: TraceReader, matcher: Matcher): Generator<readonly number[], void, undefined> {
  const wanted = new Set<EventKind>(EVENT_KINDS.filter(kind => matcher.mayMatch(kind)))
  const msrs = matcher.needsExitMsrs ? exitMsrs(reader) : NO_MSRS
  for (let n = 0; n < reader.chunkCount; n++) {
    const chunk = reader.chunk(n, wanted)
    const start = reader.chunkStart(n)
    const tests = chunk.tables.map(table => wanted.has(table.kind) && matcher.bind({ chunk, start, table, exitMsrs: msrs }))
    const next = new Uint32Array(tests.length)
    const found: number[] = []
    for (let at = 0; at < chunk.count; at++) {
      const kind = chunk.kinds[at]!
      const row = next[kind]!++
      const test = tests[kind]!
      if (test === true || (test !== false && test(row, at))) found.push(start + at)
    }
    yield found
  }
}

/** The same one by one. */
export function* selectEvents(reader: TraceReader, matcher: Matcher): Generator<number, void, undefined> {
  for (const found of selectByChunk(reader, matcher)) yield* found
}
