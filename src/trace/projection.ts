/**
 * What a diff looks at: a trace reduced to the events that matter for one question, each with a key that is equal exactly
 * where the question says "the same". Works on columns, since two traces of a million events are compared in one breath.
 */

import { type EventKind, TRACE_EVENTS } from '../spec/trace-events.ts'
import type { EventColumns } from './event-chunk.ts'
import type { TraceReader } from './file.ts'
import { addressMap } from './match-lines.ts'
import { isImported, type KeyedTable, keyRows, keyTable, type Look, type Projection } from './projection-keys.ts'

export { isImported, type Look, PROJECTIONS, type Projection } from './projection-keys.ts'

/** The events that a projection keeps, in order. */
export interface ProjectedTrace {
  readonly count: number
  /** Place in the trace. */
  readonly index: Uint32Array
  readonly key: Float64Array
  /** What kind of thing it is, for telling similar differences: coarser than the key. */
  readonly shape: Float64Array
  readonly tick: Float64Array
  readonly level: Uint8Array
  /** A field that holds a time, where the event has one and the projection looks at it; else 0. */
  readonly time: BigUint64Array
  /** 1 where a VM exit begins. */
  readonly isExit: Uint8Array
  /** Of all events, also of those that the projection leaves out. */
  readonly deepestLevel: number
}

/** Whether KVM runs below the guest: it speaks within the first chunk, or never. Then level 0 is not the guest's. */
const hasKvm = (reader: TraceReader): boolean =>
  reader.chunkCount > 0 && reader.chunk(0, new Set()).tables.some(({ kind }) => TRACE_EVENTS[kind].by === 'kvm')

/** The deepest level that a trace reaches. */
export function deepestLevel(reader: TraceReader): number {
  let deepest = 0
  for (let n = 0; n < reader.chunkCount && deepest < 2; n++) deepest = Math.max(deepest, deepestOf(reader.chunk(n, new Set()).levels))
  return deepest
}

const deepestOf = (levels: Uint8Array): number => levels.reduce((deepest, level) => Math.max(deepest, level), 0)

/** How two traces are looked at to compare them. */
export function looksAt(a: TraceReader, b: TraceReader, by: Projection): { readonly a: Look; readonly b: Look } {
  const look = { by, onlyFtrace: isImported(a) || isImported(b) }
  return { a: look, b: { ...look, addresses: addressMap(a.header.image, b.header.image) } }
}

/** The events that `look` compares, chunk by chunk. */
export function* projectChunks(reader: TraceReader, look: Look): Generator<ProjectedTrace, void, undefined> {
  const rows = keyRows(look)
  const wanted = new Set(Object.keys(rows) as EventKind[])
  const hostLevel = look.by !== 'all' && hasKvm(reader) ? 0 : -1
  for (let n = 0; n < reader.chunkCount; n++) {
    const chunk = reader.chunk(n, wanted)
    const tables = chunk.tables.map(table => (rows[table.kind] ? keyTable(table, rows[table.kind]!, look) : undefined))
    yield projectChunk(chunk, reader.chunkStart(n), tables, { withTime: look.by === 'all', hostLevel })
  }
}

interface ChunkLook {
  readonly withTime: boolean
  /** The level that is not the guest's; -1 when every level counts. */
  readonly hostLevel: number
}

function projectChunk(
  chunk: EventColumns,
  start: number,
  tables: readonly (KeyedTable | undefined)[],
  { withTime, hostLevel }: ChunkLook,
): ProjectedTrace {
  const into = room(chunk.count, withTime)
  // An interrupt that the host takes is not the guest's; KVM speaks of the guest at any level.
  const isHosts = chunk.tables.map(({ kind }) => kind === 'interrupt' || kind === 'exception')
  const next = new Uint32Array(tables.length)
  let count = 0
  for (let i = 0; i < chunk.count; i++) {
    const t = chunk.kinds[i]!
    const row = next[t]!++
    const at = chunk.levels[i]!
    const table = tables[t]
    if (!table || (at === hostLevel && isHosts[t])) continue
    into.index[count] = start + i
    into.key[count] = table.key[row]!
    into.shape[count] = table.shape[row]!
    into.tick[count] = chunk.ticks[i]!
    into.level[count] = at
    into.isExit[count] = table.isExit
    if (withTime) into.time[count] = table.time[row]!
    count++
  }
  return { ...into, count, deepestLevel: deepestOf(chunk.levels) }
}

const room = (size: number, withTime: boolean): Omit<ProjectedTrace, 'count' | 'deepestLevel'> => ({
  index: new Uint32Array(size),
  key: new Float64Array(size),
  shape: new Float64Array(size),
  tick: new Float64Array(size),
  level: new Uint8Array(size),
  time: new BigUint64Array(withTime ? size : 0),
  isExit: new Uint8Array(size),
})

/** All events of a trace that `look` compares. */
export function project(reader: TraceReader, look: Look): ProjectedTrace {
  const into = room(reader.count, look.by === 'all')
  let count = 0
  let deepestLevel = 0
  for (const part of projectChunks(reader, look)) {
    into.index.set(part.index.subarray(0, part.count), count)
    into.key.set(part.key.subarray(0, part.count), count)
    into.shape.set(part.shape.subarray(0, part.count), count)
    into.tick.set(part.tick.subarray(0, part.count), count)
    into.level.set(part.level.subarray(0, part.count), count)
    if (part.time.length > 0) into.time.set(part.time.subarray(0, part.count), count)
    into.isExit.set(part.isExit.subarray(0, part.count), count)
    count += part.count
    deepestLevel = Math.max(deepestLevel, part.deepestLevel)
  }
  return { ...into, count, deepestLevel }
}

/** Whether the level of an event counts: both traces reach equally deep, and both say it, which a kernel does not. */
export const comparesLevels = ({ onlyFtrace }: Look, deepestInA: number, deepestInB: number): boolean =>
  !onlyFtrace && deepestInA === deepestInB

/** Keys as small numbers, equal where the keys are, and the levels where those count. */
export function symbolsOf(a: ProjectedTrace, b: ProjectedTrace, withLevels: boolean): { a: Int32Array; b: Int32Array; count: number } {
  const symbols: Map<number, number>[] = [new Map(), new Map(), new Map()]
  let count = 0
  const number = ({ count: length, key, level }: ProjectedTrace): Int32Array => {
    const numbers = new Int32Array(length)
    for (let i = 0; i < length; i++) {
      const ofLevel = symbols[withLevels ? level[i]! : 0]!
      const symbol = ofLevel.get(key[i]!)
      numbers[i] = symbol ?? count
      if (symbol === undefined) ofLevel.set(key[i]!, count++)
    }
    return numbers
  }
  return { a: number(a), b: number(b), count }
}
