/**
 * The terms of a filter as tests on columns. A term is bound to each table of a chunk once, and then asked row by row, so that a
 * million events are looked through without making an object of any.
 */

import { unreachable } from '../base/assert.ts'
import { basicExitReason } from '../spec/exit-reasons.ts'
import type { EventKind, FieldType } from '../spec/trace-events.ts'
import type { Column } from '../trace/columns.ts'
import type { EventColumns, KindTable } from '../trace/event-chunk.ts'
import type { Comparison, ExpressionNode, ValueNode, Word } from './expression-nodes.ts'
import {
  checkField,
  EVENT_KINDS,
  FilterError,
  fieldsOf,
  globMatcher,
  isStampField,
  kindsNamed,
  namedValue,
  type ProgramNames,
} from './filter-fields.ts'
import { valueText } from './location.ts'

/** One kind's events in one chunk. */
export interface View {
  readonly chunk: EventColumns
  /** Number of the chunk's first event. */
  readonly start: number
  readonly table: KindTable
  /** The MSRs of exits by event, when a matcher needs them. */
  readonly exitMsrs: ReadonlyMap<number, number>
}

/** Asks one event: its row in the table, and its place in the chunk. */
export type Test = (row: number, at: number) => boolean

export interface Matcher {
  readonly needsExitMsrs: boolean
  /** False: no event of this kind matches, so its columns need not be read. */
  mayMatch(kind: EventKind): boolean
  /** The answer where it is the same for all events of the table. */
  bind(view: View): Test | boolean
}

export const columnOf = ({ fields, columns }: KindTable, field: string): Column => columns[fields.indexOf(field)]!

export function kindTest({ text, column }: Word): Matcher {
  const kinds = kindsNamed(text, column)
  return { needsExitMsrs: false, mayMatch: kind => kinds.has(kind), bind: ({ table }) => kinds.has(table.kind) }
}

type Node<K extends ExpressionNode['kind']> = Extract<ExpressionNode, { kind: K }>

const isText = (type: FieldType): boolean => type === 'text' || type === 'bytes'

/** The value as a number of the field. */
export function numberOf(value: ValueNode, field: string, program: ProgramNames): bigint {
  switch (value.kind) {
    case 'number':
      return BigInt(value.text.replaceAll('_', ''))
    case 'sum': {
      const [left, right] = [numberOf(value.left, field, program), numberOf(value.right, field, program)]
      return BigInt.asUintN(64, value.sign === '+' ? left + right : left - right)
    }
    case 'place':
    case 'memory':
      throw new FilterError(value.column, `\`${valueText(value)}\` is no number of an event`, 'compare the field with a number or a name')
    case 'name':
      return namedValue(field, value.text, value.column, program)
    case 'text':
      throw new FilterError(value.column, `\`${field}\` is a number`, 'compare it with a number or a name')
    default:
      return unreachable(value)
  }
}

/** Numbers that a test reads from an event; 64-bit values as bigint. */
type Reader = (row: number, at: number) => number | bigint

function stampReader(field: string, { chunk, start }: View): Reader {
  switch (field) {
    case 'event':
      return (_row, at) => start + at
    case 'tick':
      return (_row, at) => chunk.ticks[at]!
    case 'cpu':
      return (_row, at) => chunk.cpus[at]!
    default:
      return (_row, at) => chunk.levels[at]!
  }
}

function numberReader(field: string, view: View): Reader {
  if (isStampField(field)) return stampReader(field, view)
  const column = columnOf(view.table, field) as Uint32Array
  return field === 'reason' ? row => basicExitReason(column[row]!) : row => column[row]!
}

const has = (kind: EventKind, field: string, isTextWanted: boolean): boolean => {
  if (isStampField(field)) return !isTextWanted
  const type = fieldsOf(kind)[field]
  return type !== undefined && isText(type) === isTextWanted
}

/** A test of a number field, from a test of the number. */
function numbers(field: string, holds: (value: number | bigint) => boolean): Matcher {
  const mayMatch = (kind: EventKind): boolean => has(kind, field, false)
  return {
    needsExitMsrs: false,
    mayMatch,
    bind: view => {
      if (!mayMatch(view.table.kind)) return false
      const read = numberReader(field, view)
      return (row, at) => holds(read(row, at))
    },
  }
}

/** A test of a text field. Bytes are compared as Latin-1 text. */
function texts(field: string, holds: (value: string) => boolean): Matcher {
  const mayMatch = (kind: EventKind): boolean => has(kind, field, true)
  return {
    needsExitMsrs: false,
    mayMatch,
    bind: ({ table }) => {
      if (!mayMatch(table.kind)) return false
      const column = columnOf(table, field) as readonly (string | Uint8Array)[]
      return row => {
        const value = column[row]!
        return holds(typeof value === 'string' ? value : String.fromCharCode(...value))
      }
    },
  }
}

/** JavaScript compares numbers with bigints by value, and exactly. */
export const ORDERS: Readonly<Record<Exclude<Comparison, '~'>, (a: number | bigint, b: number | bigint) => boolean>> = {
  // biome-ignore lint/suspicious/noDoubleEquals: a number and a bigint of the same value are equal only so
  '==': (a, b) => a == b,
  // biome-ignore lint/suspicious/noDoubleEquals: a number and a bigint of the same value are equal only so
  '!=': (a, b) => a != b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
}

const TEXT_TESTS: Partial<Record<Comparison, (wanted: string) => (text: string) => boolean>> = {
  '==': wanted => text => text === wanted,
  '!=': wanted => text => text !== wanted,
  '~': globMatcher,
}

const anyKindHas = (field: string, wantsText: boolean): boolean => EVENT_KINDS.some(kind => has(kind, field, wantsText))

/** The field on the left of a comparison. */
function fieldNamed(left: ValueNode): Word {
  if (left.kind !== 'name')
    throw new FilterError(
      left.column,
      `\`${valueText(left)}\` is no field of an event`,
      'write the field first, as in `reason == MSR_WRITE`',
    )
  checkField(left.text, left.column)
  return left
}

/** `reason == MSR_WRITE`. A field that is text in some kinds and a number in others is compared as what the value fits. */
export function comparison({ left, comparison: sign, value }: Node<'comparison'>, program: ProgramNames): Matcher {
  const field = fieldNamed(left)
  const asText = TEXT_TESTS[sign]
  const mayBeText = anyKindHas(field.text, true)
  const mayBeNumber = anyKindHas(field.text, false)
  if (mayBeText && asText !== undefined && (value.kind === 'text' || !mayBeNumber))
    return texts(field.text, asText(value.kind === 'text' ? value.text : valueText(value)))
  if (sign === '~' || !mayBeNumber)
    throw new FilterError(
      field.column,
      `\`${field.text}\` is ${mayBeNumber ? 'a number' : 'text'}`,
      `compare it with ${mayBeNumber ? '== != < <= > >=' : '==, != or ~'}`,
    )
  const wanted = numberOf(value, field.text, program)
  // A number compares faster with a number, and most fields are.
  const near = wanted <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(wanted) : wanted
  const order = ORDERS[sign]
  return numbers(field.text, found => order(found, near))
}

/** `tick in 1000..2000`, both ends included. */
export function range({ left, from, to }: Node<'range'>, program: ProgramNames): Matcher {
  const field = fieldNamed(left)
  if (!anyKindHas(field.text, false)) throw new FilterError(field.column, `\`${field.text}\` is text`, 'a range is for numbers')
  const low = numberOf(from, field.text, program)
  const high = numberOf(to, field.text, program)
  if (low > high) throw new FilterError(from.column, `the range ends before it begins`, `write \`${valueText(to)}..${valueText(from)}\``)
  return numbers(field.text, found => found >= low && found <= high)
}
