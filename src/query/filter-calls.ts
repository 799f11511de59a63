/** The terms of a filter that read like calls: `exit(MSR_WRITE, 0x6e0)`, `irq(0xec)`, `line("timer.asm", 42)`. */

import { nearest } from '../base/suggest.ts'
import { basicExitReason } from '../spec/exit-reasons.ts'
import type { EventKind } from '../spec/trace-events.ts'
import type { TraceHeader } from '../trace/file.ts'
import { FilterError, fieldsOf, type ProgramNames } from './filter-fields.ts'
import type { FilterNode, FilterValue } from './filter-nodes.ts'
import { columnOf, type Matcher, numberOf, type Test, type View } from './filter-tests.ts'

type Image = TraceHeader['image']
type Call = Extract<FilterNode, { kind: 'call' }>

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
function exit(values: readonly FilterValue[], program: ProgramNames): Matcher {
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

/** Events whose instruction lies in one of the ranges, ends excluded. */
const inCode = (ranges: readonly (readonly [from: bigint, to: bigint])[]): Matcher =>
  form(
    kind => fieldsOf(kind).rip !== undefined,
    view => {
      const rips = columnOf(view.table, 'rip') as BigUint64Array
      return row => {
        const rip = rips[row]!
        return ranges.some(([from, to]) => rip >= from && rip < to)
      }
    },
  )

const isSource = (file: string, wanted: string): boolean => file === wanted || file.endsWith(`/${wanted}`)

/** At an instruction of a source line; without a file, of the program's first. */
function line(values: readonly FilterValue[], image: Image): Matcher {
  const [file, number] = values.length === 2 ? [values[0]!, values[1]!] : [undefined, values[0]!]
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
  return inCode(ranges)
}

/** From a label up to the next one. */
function at([name]: readonly FilterValue[], { symbols, origin, bytes }: Image): Matcher {
  const labels = symbols.filter(({ kind, name: each }) => kind === 'label' && !each.startsWith('..@'))
  const label = labels.find(each => each.name === name!.text)
  if (label === undefined) {
    const near = nearest(
      name!.text,
      labels.map(each => each.name),
    )
    throw new FilterError(name!.column, `the program has no label \`${name!.text}\``, near ? `did you mean \`${near}\`?` : '')
  }
  const end = labels.reduce((least, { value }) => (value > label.value && value < least ? value : least), BigInt(origin + bytes.length))
  return inCode([[label.value, end]])
}

interface CallRow {
  readonly values: readonly [least: number, most: number]
  readonly example: string
  make(values: readonly FilterValue[], program: ProgramNames, image: Image): Matcher
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
  line: { values: [1, 2], example: 'line(42)', make: (values, _program, image) => line(values, image) },
  at: { values: [1, 1], example: 'at(start)', make: (values, _program, image) => at(values, image) },
}

export function filterCalls({ name, values }: Call, program: ProgramNames, image: Image): Matcher {
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
  return row.make(values, program, image)
}
