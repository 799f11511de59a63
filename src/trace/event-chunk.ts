/**
 * A run of events as one value: which kind stands where, on which CPU and level, at which tick, and one table per kind.
 * Each kind brings its name and the layout of its fields, so that a chunk can be read without our table of events and
 * does not change when that table grows.
 *
 *     [count, kinds u8[], cpus u8[], levels u8[], ticks (differences), [[name, layout, [column, ...]], ...]]
 */

import { assert } from '../base/assert.ts'
import { type EventKind, type FieldType, TRACE_EVENTS, type TraceEvent } from '../spec/trace-events.ts'
import { asArray, asBytes, asCount, asText, packValue, unpackValue } from './canonical.ts'
import { type Column, ColumnWriter, packNumbers, unpackColumn, unpackNumbers } from './columns.ts'
import { damaged, TraceFileError } from './trace-file-error.ts'

export const CHUNK_EVENTS = 4096

/** The events of one kind inside a chunk, column by column. */
export interface KindTable {
  readonly kind: EventKind
  readonly fields: readonly string[]
  readonly columns: readonly Column[]
  readonly count: number
}

/** A decoded chunk. Row i is an event of `tables[kinds[i]]`; the rows of a table are in the order of the events. */
export interface EventColumns {
  readonly count: number
  readonly kinds: Uint8Array
  readonly cpus: Uint8Array
  readonly levels: Uint8Array
  readonly ticks: Float64Array
  readonly tables: readonly KindTable[]
}

const ROWS: Readonly<Record<string, { readonly fields: Readonly<Record<string, FieldType>> }>> = TRACE_EVENTS

/** A kind's fields in the order of the table of events: `rip:u64 vmcs:u64`. */
const layoutOf = (kind: string): string =>
  Object.entries(ROWS[kind]!.fields)
    .map(([field, type]) => `${field}:${type}`)
    .join(' ')

const LAYOUTS: ReadonlyMap<string, string> = new Map(Object.keys(ROWS).map(kind => [kind, layoutOf(kind)]))

interface TableWriter {
  readonly kind: string
  readonly fields: readonly { readonly name: string; readonly column: ColumnWriter }[]
  /** Place in the chunk's list of tables; -1 while the chunk has no event of this kind. */
  index: number
}

function createTable(kind: string): TableWriter {
  assert(LAYOUTS.has(kind), `the table of events has ${kind}`)
  const fields = Object.entries(ROWS[kind]!.fields)
  return { kind, fields: fields.map(([name, type]) => ({ name, column: new ColumnWriter(type, `${kind}.${name}`) })), index: -1 }
}

/** Takes events apart as they come, so that none of them outlives the call, and gives a chunk when asked. */
export class ChunkWriter {
  #count = 0
  #tick = 0
  readonly #kinds = new Uint8Array(CHUNK_EVENTS)
  readonly #cpus = new ColumnWriter('u8', 'cpu')
  readonly #levels = new ColumnWriter('u8', 'level')
  readonly #ticks = new Float64Array(CHUNK_EVENTS)
  readonly #tables = new Map<string, TableWriter>()
  #present: TableWriter[] = []

  get count(): number {
    return this.#count
  }

  add(event: TraceEvent): void {
    const { kind, tick } = event
    let table = this.#tables.get(kind)
    if (!table) {
      table = createTable(kind)
      this.#tables.set(kind, table)
    }
    if (table.index < 0) table.index = this.#present.push(table) - 1
    assert(Number.isSafeInteger(tick) && tick >= 0, 'a tick is a count')
    assert(event.level <= 2, 'a level is 0, 1 or 2')
    this.#kinds[this.#count] = table.index
    this.#ticks[this.#count] = tick - this.#tick
    this.#tick = tick
    this.#cpus.add(event.cpu)
    this.#levels.add(event.level)
    for (const { name, column } of table.fields) column.add((event as unknown as Record<string, unknown>)[name])
    this.#count++
  }

  /** The chunk as one canonical msgpack value. The writer is empty afterwards. */
  take(): Uint8Array {
    const count = this.#count
    const present = this.#present
    const tables = present.map(({ kind, fields }) => [kind, LAYOUTS.get(kind), fields.map(({ column }) => column.take())])
    for (const table of present) table.index = -1
    this.#present = []
    this.#count = 0
    this.#tick = 0
    const ticks = packNumbers(this.#ticks.subarray(0, count))
    return packValue([count, this.#kinds.subarray(0, count), this.#cpus.take(), this.#levels.take(), ticks, tables])
  }
}

/** The columns of a chunk of `count` events; refuses whatever the writer would not have written. Kinds that are not wanted get no columns. */
export function unpackEvents(raw: Uint8Array, count: number, where: string, wanted?: ReadonlySet<EventKind>): EventColumns {
  const parts = asArray(unpackValue(raw, where), where, 6)
  if (asCount(parts[0], where) !== count) throw damaged(where, 'the number of events differs from the one announced')
  const kinds = asBytes(parts[1], where, count)
  const rawTables = asArray(parts[5], where)
  const rows = new Uint32Array(256)
  for (const kind of kinds) rows[kind]!++
  if (rows.subarray(rawTables.length).some(n => n > 0)) throw damaged(where, 'an event has no kind')
  const levels = asBytes(parts[3], where, count)
  for (const level of levels) if (level > 2) throw damaged(where, 'an event has no level')
  const ticks = unpackNumbers(parts[4], count, where)
  let tick = 0
  for (let i = 0; i < count; i++) {
    tick += ticks[i]!
    if (!(tick >= 0 && tick <= Number.MAX_SAFE_INTEGER)) throw damaged(where, 'a tick is out of range')
    ticks[i] = tick
  }
  const tables = rawTables.map((table, i) => unpackTable(table, rows[i]!, where, wanted))
  return { count, kinds, cpus: asBytes(parts[2], where, count), levels, ticks, tables }
}

function unpackTable(value: unknown, count: number, where: string, wanted?: ReadonlySet<EventKind>): KindTable {
  const [name, layout, columns] = asArray(value, where, 3)
  const kind = asText(name, where)
  if (LAYOUTS.get(kind) !== asText(layout, where)) {
    throw new TraceFileError(
      'unsupported-version',
      `the trace holds events that this vtick does not know: ${JSON.stringify(kind.slice(0, 40))}`,
    )
  }
  const fields = Object.entries(ROWS[kind]!.fields)
  const raw = asArray(columns, where, fields.length)
  const isWanted = !wanted || wanted.has(kind as EventKind)
  return {
    kind: kind as EventKind,
    fields: fields.map(([field]) => field),
    columns: isWanted ? fields.map(([, type], i) => unpackColumn(type, raw[i], count, where)) : [],
    count,
  }
}

/** The events of a decoded chunk; of the wanted kinds, when the others have no columns. */
export function eventsOf(chunk: EventColumns, wanted?: ReadonlySet<EventKind>): TraceEvent[] {
  const events: TraceEvent[] = []
  for (const [, event] of entriesOf(chunk, wanted)) events.push(event)
  return events
}

/** The same, each with its place in the chunk. */
export function* entriesOf(
  chunk: EventColumns,
  wanted?: ReadonlySet<EventKind>,
): Generator<readonly [number, TraceEvent], void, undefined> {
  const next = new Uint32Array(chunk.tables.length)
  const skip = chunk.tables.map(({ kind }) => wanted !== undefined && !wanted.has(kind))
  for (let i = 0; i < chunk.count; i++) {
    const table = chunk.kinds[i]!
    const row = next[table]!++
    if (skip[table]) continue
    const { kind, fields, columns } = chunk.tables[table]!
    const event: Record<string, unknown> = { kind, tick: chunk.ticks[i], cpu: chunk.cpus[i], level: chunk.levels[i] }
    for (let f = 0; f < fields.length; f++) event[fields[f]!] = columns[f]![row]
    yield [i, event as unknown as TraceEvent]
  }
}
