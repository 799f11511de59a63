/**
 * An instruction's operation as text, printed from the `execute` that the CPU runs, by one more `Ops<V>` whose values are
 * expressions. An `execute` that looked at a value would print what it saw here; so this is also the proof that none does.
 *
 * A value that is long or used by a later line gets a name, `t1`, `t2`, ...; sizes stand behind an operator where they matter
 * (`a + b` is as wide as the instruction, `a + b :8` is not).
 */

import type { Size } from '../base/u64.ts'
import type { CpuidFeatureName } from '../spec/cpuid.ts'
import { exceptionOf } from '../spec/exceptions.ts'
import { GPR_NAMES, HIGH_BYTE_NAMES, SEGMENT_NAMES } from '../spec/registers.ts'
import { CONDITION_CODES, type ConditionCode, type FlagName } from '../spec/rflags.ts'
import type { Instruction } from './instruction.ts'
import type { Operand, SegmentIndex } from './operands.ts'
import type { FlagRule, Ops } from './ops.ts'

/** Longer expressions are given a name. */
const LONGEST = 44

class Printer implements Ops<string> {
  readonly lines: string[] = []
  readonly #instruction: Instruction
  #depth = 0
  #names = 0

  constructor(instruction: Instruction) {
    this.#instruction = instruction
  }

  #line(text: string): void {
    this.lines.push(`${'  '.repeat(this.#depth)}${text}`)
  }

  /** A short expression as it is, a long one by a new name. */
  #value(text: string): string {
    return text.length <= LONGEST ? text : this.#named(text)
  }

  #named(text: string): string {
    const name = `t${++this.#names}`
    this.#line(`${name} := ${text}`)
    return name
  }

  /** A size where it is not the instruction's. */
  #sized(size: Size, text: string): string {
    return this.#value(size === this.#instruction.size ? text : `${text} :${size}`)
  }

  #infix(size: Size | 0, a: string, operator: string, b: string): string {
    const text = `${inner(a)} ${operator} ${inner(b)}`
    return size === 0 ? this.#value(text) : this.#sized(size, text)
  }

  #operand(operand: Operand): string {
    const { dst, src, third } = this.#instruction
    if (operand === dst && operand.kind !== 'none') return 'dst'
    if (operand === src && operand.kind !== 'none') return 'src'
    if (operand === third && operand.kind !== 'none') return 'third'
    return operandName(operand)
  }

  read(operand: Operand): string {
    return this.#named(this.#operand(operand))
  }
  modify(operand: Operand): string {
    return this.read(operand)
  }
  write(operand: Operand, value: string): void {
    this.#line(`${this.#operand(operand)} := ${value}`)
  }
  address(operand: Operand): string {
    return `address(${this.#operand(operand)})`
  }
  load(size: Size, segment: SegmentIndex, address: string): string {
    return this.#named(memory(size, segment, address))
  }
  store(size: Size, segment: SegmentIndex, address: string, value: string): void {
    this.#line(`${memory(size, segment, address)} := ${value}`)
  }
  touch(size: Size, segment: SegmentIndex, address: string): void {
    this.#line(`check that ${memory(size, segment, address)} can be written`)
  }
  readVector(operand: Operand, alignment: 'aligned' | 'any'): readonly string[] {
    const name = this.#operand(operand)
    if (operand.kind === 'memory' && alignment === 'aligned') this.#line(`#GP(0) unless address(${name}) is aligned`)
    const lanes = operand.kind === 'ymm' || (operand.kind === 'memory' && operand.size === 256) ? 4 : 2
    return Array.from({ length: lanes }, (_, lane) => this.#named(`${name}.q${lane}`))
  }
  writeVector(operand: Operand, lanes: readonly string[], alignment: 'aligned' | 'any'): void {
    const name = this.#operand(operand)
    if (operand.kind === 'memory' && alignment === 'aligned') this.#line(`#GP(0) unless address(${name}) is aligned`)
    for (const [lane, value] of lanes.entries()) this.#line(`${name}.q${lane} := ${value}`)
  }

  constant(value: bigint): string {
    return value < 10n
      ? `${value}`
      : `${value
          .toString(16)
          .toUpperCase()
          .replace(/^([A-F])/, '0$1')}H`
  }
  add(size: Size, a: string, b: string): string {
    return this.#infix(size, a, '+', b)
  }
  sub(size: Size, a: string, b: string): string {
    return this.#infix(size, a, '-', b)
  }
  mul(size: Size, a: string, b: string): string {
    return this.#infix(size, a, '*', b)
  }
  mulHigh(size: Size, signedness: 'signed' | 'unsigned', a: string, b: string): string {
    return this.#sized(size, `highHalf(${a} * ${b}, ${signedness})`)
  }
  divide(size: Size, signedness: 'signed' | 'unsigned', high: string, low: string, divisor: string): readonly [string, string] {
    this.#line(`#DE if ${divisor} = 0 or the ${size}-bit quotient overflows`)
    const dividend = `(${high} : ${low})`
    return [this.#named(`${dividend} / ${inner(divisor)}, ${signedness}`), this.#named(`${dividend} mod ${inner(divisor)}, ${signedness}`)]
  }
  and(a: string, b: string): string {
    return this.#infix(0, a, '&', b)
  }
  or(a: string, b: string): string {
    return this.#infix(0, a, '|', b)
  }
  xor(a: string, b: string): string {
    return this.#infix(0, a, '^', b)
  }
  not(size: Size, a: string): string {
    return this.#sized(size, `~${inner(a)}`)
  }
  shl(size: Size, a: string, count: string): string {
    return this.#infix(size, a, '<<', count)
  }
  shr(size: Size, a: string, count: string): string {
    return this.#infix(size, a, '>>', count)
  }
  sar(size: Size, a: string, count: string): string {
    return this.#infix(size, a, '>>signed', count)
  }
  zeroExtend(from: Size, a: string): string {
    return this.#value(`zeroExtend${from}(${a})`)
  }
  signExtend(from: Size, to: Size, a: string): string {
    return this.#value(`signExtend${from}to${to}(${a})`)
  }

  equal(a: string, b: string): string {
    return this.#infix(0, a, '=', b)
  }
  below(a: string, b: string): string {
    return this.#infix(0, a, '<', b)
  }
  select(condition: string, whenTrue: string, whenFalse: string): string {
    return this.#named(`if ${condition} then ${whenTrue} else ${whenFalse}`)
  }
  when(condition: string, then: () => void, otherwise?: () => void): void {
    const onTrue = this.#block(then)
    const onFalse = otherwise === undefined ? [] : this.#block(otherwise)
    if (onTrue.length === 0 && onFalse.length === 0) return
    this.#line(onTrue.length === 0 ? `unless ${condition}:` : `if ${condition}:`)
    this.lines.push(...(onTrue.length === 0 ? onFalse : onTrue))
    if (onTrue.length === 0 || onFalse.length === 0) return
    this.#line('else:')
    this.lines.push(...onFalse)
  }
  /** The lines that `body` prints, one level deeper. */
  #block(body: () => void): string[] {
    const start = this.lines.length
    this.#depth++
    body()
    this.#depth--
    return this.lines.splice(start)
  }

  flags(rule: FlagRule, size: Size, a: string, b: string, result: string): void {
    const what = rule === 'logic' ? result : `${result}; from ${a}, ${b}`
    this.#line(`status flags := ${rule}${size === this.#instruction.size ? '' : ` :${size}`} (${what})`)
  }
  /** By a name of its own: a later line may change the flag. */
  flag(name: FlagName): string {
    return this.#named(name)
  }
  setFlag(name: FlagName, value: string): void {
    this.#line(`${name} := ${value}`)
  }
  condition(code: ConditionCode): string {
    return this.#named(`condition ${CONDITION_CODES[code]![0]}`)
  }
  rflags(): string {
    return 'RFLAGS'
  }

  next(): string {
    return 'next RIP'
  }
  branch(target: string): void {
    this.#line(`RIP := ${target}`)
  }
  again(): void {
    this.#line('RIP stays: the next iteration')
  }
  fault(vector: number, errorCode?: number): void {
    const name = exceptionOf(vector)
    this.#line(`#${name ?? vector}${errorCode === undefined ? '' : `(${errorCode})`}`)
  }
  has(feature: CpuidFeatureName): string {
    return `CPUID.${feature}`
  }
  require(feature: CpuidFeatureName): void {
    this.#line(`#UD unless CPUID.${feature}`)
  }
  system(operation: string): void {
    this.#line(`system operation: ${operation}`)
  }
}

/** Parentheses where another operator stands inside. */
const inner = (text: string): string => (/^[\w.~]+(\([^()]*\))?$/.test(text) ? text : `(${text})`)

const memory = (size: Size, segment: SegmentIndex, address: string): string =>
  `[${SEGMENT_NAMES[segment]!.toUpperCase()}:${address}]:${size}`

function operandName(operand: Operand): string {
  switch (operand.kind) {
    case 'register':
      return (operand.high ? HIGH_BYTE_NAMES[operand.index]! : GPR_NAMES[operand.size][operand.index]!).toUpperCase()
    case 'xmm':
    case 'ymm':
      return `${operand.kind.toUpperCase()}${operand.index}`
    default:
      return operand.kind
  }
}

/** The operation, one step a line. */
export function pseudocode(instruction: Instruction): readonly string[] {
  const printer = new Printer(instruction)
  instruction.row.execute(printer, instruction)
  return printer.lines
}
