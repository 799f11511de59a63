/**
 * What a filter may ask of an event: the fields of every kind, the event's stamp, and the names that stand for numbers there,
 * as ftrace and the sources write them.
 */

import { nearest } from '../base/suggest.ts'
import { APIC_REGISTERS } from '../spec/apic-registers.ts'
import { EXCEPTIONS } from '../spec/exceptions.ts'
import { EXIT_REASONS } from '../spec/exit-reasons.ts'
import { MSRS } from '../spec/msrs.ts'
import { type EventKind, type FieldType, TRACE_EVENTS } from '../spec/trace-events.ts'
import { kindWord } from '../trace/format.ts'

/** A filter that cannot be understood: why, where (a column, from 0), and what would be right. */
export class FilterError extends Error {
  readonly column: number
  readonly help: string

  constructor(column: number, message: string, help = '') {
    super(message)
    this.column = column
    this.help = help
  }
}

/** What is wrong with a text, and where in it. */
export const troubleIn = (text: string, { column, message }: FilterError): string =>
  text.trim() === '' ? message : `${message} in \`${text}\` at column ${column + 1}`

/** The event's stamp and its number; every event has them. */
export const STAMP_FIELDS = ['event', 'tick', 'cpu', 'level'] as const
export type StampField = (typeof STAMP_FIELDS)[number]

export const isStampField = (field: string): field is StampField => (STAMP_FIELDS as readonly string[]).includes(field)

export const EVENT_KINDS = Object.keys(TRACE_EVENTS) as EventKind[]

export const fieldsOf = (kind: EventKind): Readonly<Record<string, FieldType>> => TRACE_EVENTS[kind].fields

export const FIELD_NAMES: ReadonlySet<string> = new Set([...STAMP_FIELDS, ...EVENT_KINDS.flatMap(kind => Object.keys(fieldsOf(kind)))])

export const isField = (name: string): boolean => FIELD_NAMES.has(name)

/** Refuses a field that no event has. */
export function checkField(name: string, column: number): void {
  if (isField(name)) return
  const near = nearest(name, FIELD_NAMES)
  throw new FilterError(
    column,
    `no event has a field \`${name}\``,
    near ? `did you mean \`${near}\`?` : 'the fields are in docs/trace-format.md',
  )
}

const rowsOf = (table: object, key: (row: unknown) => number): [string, number][] =>
  Object.entries(table).map(([name, row]) => [name, key(row)])

const withShortForm = (rows: readonly [string, number][], prefix: string): ReadonlyMap<string, number> =>
  new Map(rows.flatMap(([name, number]) => [[name, number] as const, [name.replace(prefix, ''), number] as const]))

const EXIT_NAMES = withShortForm(
  rowsOf(EXIT_REASONS, row => row as number),
  'EXIT_REASON_',
)
const MSR_NAMES = withShortForm(
  rowsOf(MSRS, row => (row as { index: number }).index),
  'MSR_',
)
const VECTOR_NAMES: ReadonlyMap<string, number> = new Map(
  rowsOf(EXCEPTIONS, row => (row as { vector: number }).vector).flatMap(([name, vector]) => [
    [name, vector],
    [`#${name}`, vector],
  ]),
)
const APIC_NAMES: ReadonlyMap<string, number> = new Map(rowsOf(APIC_REGISTERS, row => (row as { offset: number }).offset))

/** Names that stand for the numbers of a field. */
const FIELD_VALUES: Readonly<Record<string, ReadonlyMap<string, number>>> = {
  reason: EXIT_NAMES,
  index: MSR_NAMES,
  vector: VECTOR_NAMES,
  register: APIC_NAMES,
}

/** The names of the program: labels and constants of the trace's image. */
export type ProgramNames = ReadonlyMap<string, bigint>

/** The number that a name stands for in a field. */
export function namedValue(field: string, name: string, column: number, program: ProgramNames): bigint {
  const known = FIELD_VALUES[field]?.get(name) ?? program.get(name)
  if (known !== undefined) return BigInt(known)
  const near = nearest(name, [...(FIELD_VALUES[field]?.keys() ?? []), ...program.keys()])
  throw new FilterError(
    column,
    `\`${name}\` is no value of \`${field}\``,
    near ? `did you mean \`${near}\`?` : 'write a number, or a label of the program',
  )
}

const globPattern = (glob: string): RegExp =>
  new RegExp(
    `^${glob
      .replace(/[.+^${}()|[\]\\#]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.')}$`,
    's',
  )

/** Whether a text fits a pattern with `*` and `?`. */
export function globMatcher(glob: string): (text: string) => boolean {
  const pattern = globPattern(glob)
  return text => pattern.test(text)
}

/** The kinds whose name, or short word in the explorer, fits the pattern: at least one. */
export function kindsNamed(pattern: string, column: number): ReadonlySet<EventKind> {
  const fits = globMatcher(pattern)
  const kinds = new Set(EVENT_KINDS.filter(kind => fits(kind) || fits(kindWord({ kind }))))
  if (kinds.size > 0) return kinds
  const near = nearest(pattern, [...EVENT_KINDS, ...FIELD_NAMES])
  throw new FilterError(column, `no event is called \`${pattern}\``, near ? `did you mean \`${near}\`?` : 'as in `kvm_exit` or `hrtimer_*`')
}
