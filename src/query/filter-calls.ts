/** The terms of a filter that read like calls: `exit(MSR_WRITE, 0x6e0)`, `irq(0xec)`, `line("timer.asm", 42)`. */

import { nearest } from '../base/suggest.ts'
import { basicExitReason } from '../spec/exit-reasons.ts'
import type { EventKind } from '../spec/trace-events.ts'
import type { TraceHeader } from '../trace/file.ts'
import type { ExpressionNode, ValueNode, Word } from './expression-nodes.ts'
import { FilterError, fieldsOf, type ProgramNames } from './filter-fields.ts'
import { columnOf, type Matcher, numberOf, type Test, type View } from './filter-tests.ts'
import { valueText } from './location.ts'

type Image = TraceHeader['image']
export type Call = Extract<ExpressionNode, { kind: 'call' }>

const form = (mayMatch: (kind: EventKind) => boolean, test: (view: View) => Test, needsExitMsrs = false): Matcher => ({
  needsExitMsrs,
  mayMatch,
  bind: view => (mayMatch(view.table.kind) ? test(view) : false),
})

const ofKinds = (...kinds: EventKind[]): ((kind: EventKind) => boolean) => {
  const set = new Set<EventKind>(kinds)
  return kind => set.has(kind)
}

const isExit = ofKinds('kvm_exit', 'vmx_exit')

const numbersOf = (view: View, field: string): Uint32Array => columnOf(view.table, field) as Uint32Array

/** A VM exit of this reason; of RDMSR and WRMSR also of this MSR. */
function exit(values: readonly ValueNode[], program: ProgramNames): Matcher {
  const reason = Number(numberOf(values[0]!, 'reason', program))
  const msr = values[1] && Number(numberOf(values[1], 'index', program))
  const test = (view: View): Test => {
    const reasons = numbersOf(view, 'reason')
    const isReason: Test = row => basicExitReason(reasons[row]!) === reason
    if (msr === undefined) return isReason
    return (row, at) => isReason(row, at) && view.exitMsrs.get(view.start + at) === msr
  }
  return form(isExit, test, msr !== undefined)
}

const equals = (kind: EventKind, field: string, wanted: number): Matcher =>
  form(ofKinds(kind), view => {
    const column = numbersOf(view, field)
    return row => column[row] === wanted
  })

/** Addresses of instructions, ends excluded. */
export type CodeRanges = readonly (readonly [from: bigint, to: bigint])[]

export const isInRanges = (ranges: CodeRanges, rip: bigint): boolean => ranges.some(([from, to]) => rip >= from && rip < to)

/** Events whose instruction lies in one of the ranges. */
const inCode = (ranges: CodeRanges): Matcher =>
  form(
    kind => fieldsOf(kind).rip !== undefined,
    view => {
      const rips = columnOf(view.table, 'rip') as BigUint64Array
      return row => isInRanges(ranges, rips[row]!)
    },
  )

const isSource = (file: string, wanted: string): boolean => file === wanted || file.endsWith(`/${wanted}`)

function wordOf(value: ValueNode, help: string): Word {
  if (value.kind === 'memory' || value.kind === 'sum')
    throw new FilterError(value.column, `\`${valueText(value)}\` does not fit here`, help)
  return value
}

/** Of a source line; without a file, of the program's first. */
function lineRanges(values: readonly ValueNode[], image: Image): CodeRanges {
  const words = values.map(value => wordOf(value, 'as in `line(42)` or `line("timer.asm", 42)`'))
  const [file, number] = words.length === 2 ? [words[0]!, words[1]!] : [undefined, words[0]!]
  const source = file === undefined ? 0 : image.sources.findIndex(each => isSource(each.file, file.text))
  if (image.sources[source] === undefined) {
    const near =
      file &&
      nearest(
        file.text,
        image.sources.map(each => each.file),
      )
    throw new FilterError(
      (file ?? number).column,
      file ? `the program has no source \`${file.text}\`` : 'the trace holds no source',
      near ? `did you mean "${near}"?` : '',
    )
  }
  if (number.kind !== 'number') throw new FilterError(number.column, 'a line is a number', 'as in `line(42)`')
  const wanted = Number(number.text)
  const ranges = image.lines
    .filter(each => each.source === source && each.line === wanted)
    .map(({ address, length }) => [BigInt(address), BigInt(address + length)] as const)
  if (ranges.length === 0)
    throw new FilterError(number.column, `no instruction comes from line ${number.text} of ${image.sources[source].file}`)
  return ranges
}

/** From a label up to the next one. */
function labelRanges([value]: readonly ValueNode[], { symbols, origin, bytes }: Image): CodeRanges {
  const name = wordOf(value!, 'as in `at(start)`')
  const labels = symbols.filter(({ kind, name: each }) => kind === 'label' && !each.startsWith('..@'))
  const label = labels.find(each => each.name === name.text)
  if (label === undefined) {
    const near = nearest(
      name.text,
      labels.map(each => each.name),
    )
    throw new FilterError(name.column, `the program has no label \`${name.text}\``, near ? `did you mean \`${near}\`?` : '')
  }
  const end = labels.reduce((least, { value: at }) => (at > label.value && at < least ? at : least), BigInt(origin + bytes.length))
  return [[label.value, end]]
}

/** The calls that name a piece of the program. */
const CODE: Readonly<Record<string, (values: readonly ValueNode[], image: Image) => CodeRanges>> = { line: lineRanges, at: labelRanges }

/** The addresses that a call names; undefined where it is about events alone. */
export function codeRangesOf(call: Call, image: Image): CodeRanges | undefined {
  const rangesOf = Object.hasOwn(CODE, call.name.text) ? CODE[call.name.text] : undefined
  if (rangesOf === undefined) return undefined
  checkedRow(call)
  return rangesOf(call.values, image)
}

interface CallRow {
  readonly values: readonly [least: number, most: number]
  readonly example: string
  make(values: readonly ValueNode[], program: ProgramNames, image: Image): Matcher
}

const CALLS: Readonly<Record<string, CallRow>> = {
  exit: { values: [1, 2], example: 'exit(MSR_WRITE, 0x6e0)', make: exit },
  irq: {
    values: [1, 1],
    example: 'irq(0xec)',
    make: ([vector], program) => equals('interrupt', 'vector', Number(numberOf(vector!, 'vector', program))),
  },
  msr: {
    values: [1, 1],
    example: 'msr(IA32_TSC_DEADLINE)',
    make: ([index], program) => equals('kvm_msr', 'index', Number(numberOf(index!, 'index', program))),
  },
  line: { values: [1, 2], example: 'line(42)', make: (values, _program, image) => inCode(lineRanges(values, image)) },
  at: { values: [1, 1], example: 'at(start)', make: (values, _program, image) => inCode(labelRanges(values, image)) },
}

/** What is called, with as many values as it takes. */
function checkedRow({ name, values }: Call): CallRow {
  const row = Object.hasOwn(CALLS, name.text) ? CALLS[name.text] : undefined
  if (row === undefined) {
    const near = nearest(name.text, Object.keys(CALLS))
    throw new FilterError(
      name.column,
      `\`${name.text}(...)\` is not known`,
      near ? `did you mean \`${CALLS[near]!.example}\`?` : `there are ${Object.keys(CALLS).join(', ')}`,
    )
  }
  const [least, most] = row.values
  if (values.length < least || values.length > most)
    throw new FilterError(name.column, `\`${name.text}\` takes other values`, `as in \`${row.example}\``)
  return row
}

export const filterCalls = (call: Call, program: ProgramNames, image: Image): Matcher => checkedRow(call).make(call.values, program, image)
