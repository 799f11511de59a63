/**
 * What each question about two traces compares: which events, and which of their fields. The fields become a key, a hash of 53
 * bits, column by column; two different events out of a million share one with a probability of about 1 in 10,000.
 */

import { basicExitReason, EXIT_REASONS } from '../spec/exit-reasons.ts'
import { type EventKind, TRACE_EVENTS } from '../spec/trace-events.ts'
import type { Column } from './columns.ts'
import type { KindTable } from './event-chunk.ts'
import type { TraceReader } from './file.ts'
import { isFtraceKind } from './ftrace-formats.ts'
import { finished, type Hashes, hashColumn, startHashes } from './hashes.ts'
import type { AddressMap } from './match-lines.ts'

export const PROJECTIONS = ['arch', 'exits', 'timing', 'all'] as const

/** arch: what the guest sees. exits: which exits, where. timing: as arch, and when. all: every event and field, and when. */
export type Projection = (typeof PROJECTIONS)[number]

/** Fields that make up the key, in order; a number stands for itself. `as` lets two kinds have equal keys. */
export interface KeyRow {
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

/** How a trace is looked at, beside the question: what the other trace lets count. */
export interface Look {
  readonly by: Projection
  /** Leave out what ftrace does not tell, since the other side came from there. */
  readonly onlyFtrace: boolean
  /** Makes addresses of code those of the other side's program. */
  readonly addresses?: AddressMap | undefined
}

/** Whether the trace was made from ftrace text. */
export const isImported = ({ header }: TraceReader): boolean => header.config.imported !== undefined

/** Fields that hold an address of code. */
const CODE_ADDRESSES: ReadonlySet<string> = new Set(['rip', 'nested_rip', 'cr2'])

const columnOf = (table: KindTable, field: string): Column => table.columns[table.fields.indexOf(field)]!

export interface KeyedTable {
  readonly key: Float64Array
  readonly shape: Float64Array
  readonly time: BigUint64Array
  readonly isExit: 0 | 1
}

export function keyTable(table: KindTable, { as, fields }: KeyRow, look: Look): KeyedTable {
  const keys = startHashes(as, table.count)
  const shapes = startHashes(table.kind, table.count)
  for (const field of SHAPE_FIELDS[table.kind] ?? []) hashColumn(shapes, columnOf(table, field))
  for (const field of fields)
    hashColumn(keys, typeof field === 'number' ? new Uint8Array(table.count).fill(field) : keyColumn(table, field, look))
  const time = look.by === 'all' ? hashTimes(keys, table) : new BigUint64Array(table.count)
  return { key: finished(keys), shape: finished(shapes), time, isExit: table.kind === 'kvm_exit' || table.kind === 'vmx_exit' ? 1 : 0 }
}

/** The values of a field as they are compared. */
function keyColumn(table: KindTable, field: string, { by, addresses }: Look): Column {
  const values = by === 'exits' && field === 'rip' ? synchronousRips(table) : columnOf(table, field)
  return addresses && CODE_ADDRESSES.has(field) ? (values as BigUint64Array).map(addresses) : values
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

/** The rows of `KEY_ROWS` that count. */
export function keyRows({ by, onlyFtrace }: Look): Partial<Record<EventKind, KeyRow>> {
  const rows = KEY_ROWS[by]
  return onlyFtrace ? Object.fromEntries(Object.entries(rows).filter(([kind]) => isFtraceKind(kind))) : rows
}
