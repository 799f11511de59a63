/**
 * What a diff looks at: a trace reduced to the events that matter for one question, each with a key that is equal exactly
 * where the question says "the same". Works on columns, since two traces of a million events are compared in one breath; so
 * a key is a hash of 53 bits, and two different events out of a million share one with a probability of about 1 in 10,000.
 */

import { basicExitReason, EXIT_REASONS } from '../spec/exit-reasons.ts'
import { type EventKind, TRACE_EVENTS } from '../spec/trace-events.ts'
import type { Column } from './columns.ts'
import type { KindTable } from './event-chunk.ts'
import type { TraceReader } from './file.ts'
import { finished, type Hashes, hashColumn, startHashes } from './hashes.ts'

export const PROJECTIONS = ['arch', 'exits', 'timing', 'all'] as const

/** arch: what the guest sees. exits: which exits, where. timing: as arch, and when. all: every event and field, and when. */
export type Projection = (typeof PROJECTIONS)[number]

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
  readonly deepestLevel: number
}

/** Fields that make up the key, in order; a number stands for itself. `as` lets two kinds have equal keys. */
interface KeyRow {
  readonly as: string
  readonly fields: readonly (string | number)[]
}

/** What a guest notices, whoever emulates it. Where an interrupt lands between two instructions is timing, so no rip there. */
const ARCH: Partial<Record<EventKind, KeyRow>> = {
  input: { as: 'input', fields: ['device', 'bytes'] },
  interrupt: { as: 'interrupt', fields: ['vector'] },
  exception: { as: 'exception', fields: ['vector', 'error_code', 'rip', 'cr2'] },
  pio: { as: 'pio', fields: ['write', 'port', 'size', 1, 'value'] },
  kvm_pio: { as: 'pio', fields: ['write', 'port', 'size', 'count', 'value'] },
  mmio: { as: 'mmio', fields: ['write', 'address', 'size', 'value'] },
  shutdown: { as: 'shutdown', fields: ['vector', 'rip'] },
  end: { as: 'end', fields: ['reason', 'status'] },
}

const EXITS: Partial<Record<EventKind, KeyRow>> = {
  kvm_exit: { as: 'exit', fields: ['reason', 'rip'] },
  vmx_exit: { as: 'exit', fields: ['reason', 'rip'] },
}

/** Exits that come from outside: the instruction they happen to fall on is timing. */
const ASYNCHRONOUS: ReadonlySet<number> = new Set([
  EXIT_REASONS.EXIT_REASON_EXTERNAL_INTERRUPT,
  EXIT_REASONS.EXIT_REASON_INTERRUPT_WINDOW,
  EXIT_REASONS.EXIT_REASON_NMI_WINDOW,
  EXIT_REASONS.EXIT_REASON_PREEMPTION_TIMER,
])

/** The field that holds a point in time. Such values grow alike in both traces without being equal. */
const TIME_FIELD: Partial<Record<EventKind, string>> = {
  apic_timer_arm: 'deadline',
  hrtimer_start: 'expires',
  hrtimer_expire_entry: 'now',
  kvm_msr: 'value',
}

/** MSRs whose value is a time: IA32_TIME_STAMP_COUNTER and IA32_TSC_DEADLINE. */
const TIME_MSRS: ReadonlySet<number> = new Set([0x10, 0x6e0])

/** Follow from the time field, or are a duration. */
const NOT_COMPARED: ReadonlySet<string> = new Set(['apic_timer_arm.virtual_deadline', 'kvm_vcpu_wakeup.ns'])

const allFields = (kind: EventKind): KeyRow => ({
  as: kind,
  fields: Object.keys(TRACE_EVENTS[kind].fields).filter(field => field !== TIME_FIELD[kind] && !NOT_COMPARED.has(`${kind}.${field}`)),
})

const KEY_ROWS: Readonly<Record<Projection, Partial<Record<EventKind, KeyRow>>>> = {
  arch: ARCH,
  timing: ARCH,
  exits: EXITS,
  all: Object.fromEntries((Object.keys(TRACE_EVENTS) as EventKind[]).map(kind => [kind, allFields(kind)])),
}

const SHAPE_FIELDS: Partial<Record<EventKind, readonly string[]>> = {
  kvm_exit: ['reason'],
  vmx_exit: ['reason'],
  kvm_msr: ['write', 'index'],
  interrupt: ['vector'],
  exception: ['vector'],
  pio: ['write', 'port'],
  mmio: ['write', 'address'],
  kvm_pio: ['write', 'port'],
}

const columnOf = (table: KindTable, field: string): Column => table.columns[table.fields.indexOf(field)]!

interface KeyedTable {
  readonly key: Float64Array
  readonly shape: Float64Array
  readonly time: BigUint64Array
  readonly isExit: 0 | 1
}

function keyTable(table: KindTable, { as, fields }: KeyRow, projection: Projection): KeyedTable {
  const keys = startHashes(as, table.count)
  const shapes = startHashes(table.kind, table.count)
  for (const field of SHAPE_FIELDS[table.kind] ?? []) hashColumn(shapes, columnOf(table, field))
  for (const field of fields) {
    if (typeof field === 'number') hashColumn(keys, new Uint8Array(table.count).fill(field))
    else hashColumn(keys, projection === 'exits' && field === 'rip' ? synchronousRips(table) : columnOf(table, field))
  }
  const time = projection === 'all' ? hashTimes(keys, table) : new BigUint64Array(table.count)
  return { key: finished(keys), shape: finished(shapes), time, isExit: table.kind === 'kvm_exit' || table.kind === 'vmx_exit' ? 1 : 0 }
}

function synchronousRips(table: KindTable): Column {
  const reasons = columnOf(table, 'reason') as Uint32Array
  return (columnOf(table, 'rip') as BigUint64Array).map((rip, row) => (ASYNCHRONOUS.has(basicExitReason(reasons[row]!)) ? 0n : rip))
}

/** The times of a table. Whether there is one belongs to the key: arming is not disarming. */
function hashTimes(keys: Hashes, table: KindTable): BigUint64Array {
  const field = TIME_FIELD[table.kind]
  if (!field) return new BigUint64Array(table.count)
  const values = columnOf(table, field) as BigUint64Array
  if (table.kind !== 'kvm_msr') {
    hashColumn(
      keys,
      Uint8Array.from(values, value => (value === 0n ? 0 : 1)),
    )
    return values
  }
  const indexes = columnOf(table, 'index') as Uint32Array
  const isTime = (value: bigint, row: number): boolean => value !== 0n && TIME_MSRS.has(indexes[row]!)
  hashColumn(
    keys,
    values.map((value, row) => (isTime(value, row) ? 1n : value)),
  )
  return values.map((value, row) => (isTime(value, row) ? value : 0n))
}

/** Whether KVM runs below the guest: it speaks within the first chunk, or never. Then level 0 is not the guest's. */
const hasKvm = (reader: TraceReader): boolean =>
  reader.chunkCount > 0 && reader.chunk(0, new Set()).tables.some(({ kind }) => TRACE_EVENTS[kind].by === 'kvm')

/** The events of a trace that `projection` compares. */
export function project(reader: TraceReader, projection: Projection): ProjectedTrace {
  const rows = KEY_ROWS[projection]
  const wanted = new Set(Object.keys(rows) as EventKind[])
  const hostLevel = projection !== 'all' && hasKvm(reader) ? 0 : -1
  const size = reader.count
  const index = new Uint32Array(size)
  const key = new Float64Array(size)
  const shape = new Float64Array(size)
  const tick = new Float64Array(size)
  const level = new Uint8Array(size)
  const time = new BigUint64Array(projection === 'all' ? size : 0)
  const isExit = new Uint8Array(size)
  let count = 0
  let deepestLevel = 0
  for (let n = 0; n < reader.chunkCount; n++) {
    const chunk = reader.chunk(n, wanted)
    const start = reader.chunkStart(n)
    const tables = chunk.tables.map(table => (rows[table.kind] ? keyTable(table, rows[table.kind]!, projection) : undefined))
    // An interrupt that the host takes is not the guest's; KVM speaks of the guest at any level.
    const isHosts = chunk.tables.map(({ kind }) => kind === 'interrupt' || kind === 'exception')
    const next = new Uint32Array(tables.length)
    for (let i = 0; i < chunk.count; i++) {
      const t = chunk.kinds[i]!
      const row = next[t]!++
      const at = chunk.levels[i]!
      if (at > deepestLevel) deepestLevel = at
      const table = tables[t]
      if (!table || (at === hostLevel && isHosts[t])) continue
      index[count] = start + i
      key[count] = table.key[row]!
      shape[count] = table.shape[row]!
      tick[count] = chunk.ticks[i]!
      level[count] = at
      isExit[count] = table.isExit
      if (projection === 'all') time[count] = table.time[row]!
      count++
    }
  }
  return { count, index, key, shape, tick, level, time, isExit, deepestLevel }
}

/** Keys as small numbers, equal where the keys are. Levels count when both traces reach equally deep. */
export function symbolsOf(a: ProjectedTrace, b: ProjectedTrace): { a: Int32Array; b: Int32Array; count: number } {
  const withLevel = a.deepestLevel === b.deepestLevel
  const symbols: Map<number, number>[] = [new Map(), new Map(), new Map()]
  let count = 0
  const number = ({ count: length, key, level }: ProjectedTrace): Int32Array => {
    const numbers = new Int32Array(length)
    for (let i = 0; i < length; i++) {
      const ofLevel = symbols[withLevel ? level[i]! : 0]!
      const symbol = ofLevel.get(key[i]!)
      numbers[i] = symbol ?? count
      if (symbol === undefined) ofLevel.set(key[i]!, count++)
    }
    return numbers
  }
  return { a: number(a), b: number(b), count }
}
