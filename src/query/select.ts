/** The events of a trace that a filter lets through, by number. */

import type { EventKind } from '../spec/trace-events.ts'
import { exitMsrs } from '../trace/exit-msrs.ts'
import type { TraceReader } from '../trace/file.ts'
import { EVENT_KINDS } from './filter-fields.ts'
import type { Matcher } from './filter-tests.ts'

const NO_MSRS: ReadonlyMap<number, number> = new Map()

/** In order, chunk by chunk: nothing behind the last number taken is read. */
export function* selectEvents(reader: TraceReader, matcher: Matcher): Generator<number, void, undefined> {
  const wanted = new Set<EventKind>(EVENT_KINDS.filter(kind => matcher.mayMatch(kind)))
  const msrs = matcher.needsExitMsrs ? exitMsrs(reader) : NO_MSRS
  for (let n = 0; n < reader.chunkCount; n++) {
    const chunk = reader.chunk(n, wanted)
    const start = reader.chunkStart(n)
    const tests = chunk.tables.map(table => wanted.has(table.kind) && matcher.bind({ chunk, start, table, exitMsrs: msrs }))
    const next = new Uint32Array(tests.length)
    for (let at = 0; at < chunk.count; at++) {
      const kind = chunk.kinds[at]!
      const row = next[kind]!++
      const test = tests[kind]!
      if (test === true || (test !== false && test(row, at))) yield start + at
    }
  }
}
