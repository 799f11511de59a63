/** The events of a trace that a filter lets through, by number. */

import type { EventKind } from '../spec/trace-events.ts'
import { exitMsrs } from '../trace/exit-walk.ts'
import type { TraceReader } from '../trace/file.ts'
import { EVENT_KINDS } from './filter-fields.ts'
import type { Matcher } from './filter-tests.ts'

const NO_MSRS: ReadonlyMap<number, number> = new Map()

/** The numbers of the events of a chunk that match. */
function matchesIn(reader: TraceReader, matcher: Matcher, n: number): readonly number[] {
  const wanted = new Set<EventKind>(EVENT_KINDS.filter(kind => matcher.mayMatch(kind)))
  const msrs = matcher.needsExitMsrs ? exitMsrs(reader) : NO_MSRS
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
  return found
}

/** Chunk by chunk, in order: the numbers of the events in it that match. Nothing behind the last chunk taken is read. */
export function* selectByChunk(reader: TraceReader, matcher: Matcher): Generator<readonly number[], void, undefined> {
  for (let n = 0; n < reader.chunkCount; n++) yield matchesIn(reader, matcher, n)
}

function findIn(reader: TraceReader, matches: (chunk: number) => readonly number[], from: number, direction: 1 | -1): number {
  for (let n = direction === 1 ? 0 : reader.chunkCount - 1; n >= 0 && n < reader.chunkCount; n += direction) {
    const start = reader.chunkStart(n)
    const end = n + 1 < reader.chunkCount ? reader.chunkStart(n + 1) : reader.count
    if (direction === 1 ? end <= from : start > from) continue
    const found = matches(n)
    const hit = direction === 1 ? found.find(index => index >= from) : found.findLast(index => index <= from)
    if (hit !== undefined) return hit
  }
  return -1
}

/** Finds the first match from an event on, or the last one up to it; -1 for none. For one who asks again and again: the chunk that was looked through last is remembered. */
export function eventFinder(reader: TraceReader, matcher: Matcher): (from: number, direction: 1 | -1) => number {
  let known: { readonly chunk: number; readonly found: readonly number[] } | null = null
  const matches = (n: number): readonly number[] => {
    if (known?.chunk !== n) known = { chunk: n, found: matchesIn(reader, matcher, n) }
    return known.found
  }
  return (from, direction) => findIn(reader, matches, from, direction)
}

/** Every match, one by one. */
export function* selectEvents(reader: TraceReader, matcher: Matcher): Generator<number, void, undefined> {
  for (const found of selectByChunk(reader, matcher)) yield* found
}
