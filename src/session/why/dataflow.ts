/**
 * What an instruction would write, and what from: its own definition run on values that remember where they come from. Nothing is
 * changed; loads read through the guest's page tables without leaving a trace.
 */

import { type Size, shiftRight } from '../../base/u64.ts'
import type { Engine } from '../../hw/cpu/engine.ts'
import { BigintArithmetic } from '../../isa/bigint-arithmetic.ts'
import type { Instruction } from '../../isa/instruction.ts'
import type { Form } from '../../isa/notation.ts'
import { FS, type MemoryOperand, type Operand, RDI, RSI, RSP, type SegmentIndex } from '../../isa/operands.ts'
import type { FlagRule, Ops } from '../../isa/ops.ts'
import { conditionHolds } from '../../isa/status-flags.ts'
import type { SystemOperation } from '../../isa/system-operations.ts'
import { MSRS } from '../../spec/msrs.ts'
import { type ConditionCode, type FlagName, RFLAGS } from '../../spec/rflags.ts'
import { linearBytes } from '../timeline-memory.ts'

/** Bits [low, low + size) of a general register, bytes at a linear address, a number of the instruction's, or the flags. */
export type Source =
  | { readonly kind: 'register'; readonly index: number; readonly low: 0 | 8; readonly size: Size; readonly value: bigint }
  | { readonly kind: 'memory'; readonly address: bigint; readonly bytes: number; readonly value: bigint }
  | { readonly kind: 'constant'; readonly value: bigint }
  | { readonly kind: 'flags' }

export interface Flow {
  readonly value: bigint
  readonly sources: readonly Source[]
  /** The value is a source's, moved or extended; not computed. */
  readonly isMoved: boolean
}

export type Write =
  | { readonly kind: 'register'; readonly index: number; readonly low: 0 | 8; readonly size: Size; readonly flow: Flow }
  | { readonly kind: 'memory'; readonly address: bigint; readonly bytes: number; readonly flow: Flow }

export interface Effect {
  readonly writes: readonly Write[]
  /** What it does beyond data flow. */
  readonly system: SystemOperation | null
  /** Where it goes on, of a branch that is taken. */
  readonly branch: Flow | undefined
  /** What a condition of its asked. */
  readonly condition: readonly Source[]
  /** What its status flags are computed from. */
  readonly flags: Flow | undefined
}

/** The machine as far as an instruction reads it. */
interface Reads {
  gpr(index: number): bigint
  memory(address: bigint, bytes: number): bigint
  segmentBase(segment: SegmentIndex): bigint
  readonly flags: number
  /** Of a choice that depends on the machine, both branches. */
  readonly takesBoth: boolean
  readonly rip: bigint
}

const constant = (value: bigint): Flow => ({ value, sources: [{ kind: 'constant', value }], isMoved: true })
const FLAGS: Source = { kind: 'flags' }

class FlowOps implements Ops<Flow> {
  readonly writes: Write[] = []
  systemOperation: SystemOperation | null = null
  target: Flow | undefined
  flagsFlow: Flow | undefined
  readonly conditions: Source[] = []
  readonly #reads: Reads
  readonly #instruction: Instruction
  readonly #written = new Map<number, bigint>()
  readonly #values = new BigintArithmetic()

  constructor(reads: Reads, instruction: Instruction) {
    this.#reads = reads
    this.#instruction = instruction
  }

  #gpr(index: number): bigint {
    return this.#written.get(index) ?? this.#reads.gpr(index)
  }

  #computed(value: bigint, ...from: readonly Flow[]): Flow {
    return { value, sources: from.flatMap(({ sources }) => sources), isMoved: false }
  }

  read(operand: Operand): Flow {
    switch (operand.kind) {
      case 'register': {
        const { index, size } = operand
        const low = operand.high ? 8 : 0
        const value = BigInt.asUintN(size, shiftRight(this.#gpr(index), low))
        return { value, sources: [{ kind: 'register', index, low, size, value }], isMoved: true }
      }
      case 'memory':
        return this.load(operand.size as Size, operand.segment, this.address(operand))
      case 'immediate':
      case 'relative':
        return constant(operand.value)
      default:
        return { value: 0n, sources: [], isMoved: false }
    }
  }
  modify(operand: Operand): Flow {
    return this.read(operand)
  }
  write(operand: Operand, flow: Flow): void {
    if (operand.kind === 'memory') return this.store(operand.size as Size, operand.segment, this.address(operand), flow)
    if (operand.kind !== 'register') return
    const { index, size, high } = operand
    const before = this.#gpr(index)
    const low = high ? 8 : 0
    const mask = ((1n << BigInt(size)) - 1n) << BigInt(low)
    this.#written.set(index, size >= 32 ? flow.value : (before & ~mask) | ((flow.value << BigInt(low)) & mask))
    this.writes.push({ kind: 'register', index, low, size, flow })
  }
  address(operand: Operand): Flow {
    const { base, index, scale, displacement, addressSize } = operand as MemoryOperand
    const parts: Flow[] = []
    const partOf = (register: number): Flow => {
      const value = this.#gpr(register)
      return { value, sources: [{ kind: 'register', index: register, low: 0, size: 64, value }], isMoved: true }
    }
    if (base === 'rip') parts.push(constant(this.next().value))
    else if (base >= 0) parts.push(partOf(base))
    let sum = displacement + (parts[0]?.value ?? 0n)
    if (index >= 0) {
      const part = partOf(index)
      parts.push(part)
      sum += part.value * BigInt(scale)
    }
    if (displacement !== 0n) parts.push(constant(displacement))
    return this.#computed(BigInt.asUintN(addressSize, sum), ...parts)
  }
  #linear(segment: SegmentIndex, { value }: Flow): bigint {
    if (this.#instruction.bits === 64) return segment >= FS ? BigInt.asUintN(64, this.#reads.segmentBase(segment) + value) : value
    return BigInt.asUintN(32, this.#reads.segmentBase(segment) + value)
  }
  load(size: Size, segment: SegmentIndex, at: Flow): Flow {
    const address = this.#linear(segment, at)
    const value = this.#reads.memory(address, size / 8)
    return { value, sources: [{ kind: 'memory', address, bytes: size / 8, value }], isMoved: true }
  }
  store(size: Size, segment: SegmentIndex, at: Flow, flow: Flow): void {
    this.writes.push({ kind: 'memory', address: this.#linear(segment, at), bytes: size / 8, flow })
  }
  touch(): void {}
  readVector(operand: Operand): readonly Flow[] {
    if (operand.kind !== 'memory') return [constant(0n), constant(0n)].map(flow => ({ ...flow, sources: [], isMoved: false }))
    const at = this.address(operand)
    return [0n, 8n].map(offset => this.load(64, operand.segment, this.#computed(at.value + offset, at)))
  }
  writeVector(operand: Operand, lanes: readonly Flow[]): void {
    if (operand.kind !== 'memory') return
    const at = this.address(operand)
    for (const [lane, flow] of lanes.entries()) this.store(64, operand.segment, this.#computed(at.value + BigInt(8 * lane), at), flow)
  }

  constant(value: bigint): Flow {
    return constant(value)
  }
  add(size: Size, a: Flow, b: Flow): Flow {
    return this.#computed(this.#values.add(size, a.value, b.value), a, b)
  }
  sub(size: Size, a: Flow, b: Flow): Flow {
    return this.#computed(this.#values.sub(size, a.value, b.value), a, b)
  }
  mul(size: Size, a: Flow, b: Flow): Flow {
    return this.#computed(this.#values.mul(size, a.value, b.value), a, b)
  }
  mulHigh(size: Size, signedness: 'signed' | 'unsigned', a: Flow, b: Flow): Flow {
    return this.#computed(this.#values.mulHigh(size, signedness, a.value, b.value), a, b)
  }
  divide(size: Size, signedness: 'signed' | 'unsigned', high: Flow, low: Flow, divisor: Flow): readonly [Flow, Flow] {
    const isDefined = divisor.value !== 0n && !this.#reads.takesBoth
    const [quotient, remainder] = isDefined ? this.#values.divide(size, signedness, high.value, low.value, divisor.value) : [0n, 0n]
    return [this.#computed(quotient, high, low, divisor), this.#computed(remainder, high, low, divisor)]
  }
  and(a: Flow, b: Flow): Flow {
    return this.#computed(a.value & b.value, a, b)
  }
  or(a: Flow, b: Flow): Flow {
    return this.#computed(a.value | b.value, a, b)
  }
  /** A register with itself is a way to write 0. */
  xor(a: Flow, b: Flow): Flow {
    return this.#isSame(a, b) ? constant(0n) : this.#computed(a.value ^ b.value, a, b)
  }
  #isSame(a: Flow, b: Flow): boolean {
    const [x, y] = [a.sources[0], b.sources[0]]
    return a.isMoved && b.isMoved && x?.kind === 'register' && y?.kind === 'register' && x.index === y.index && x.low === y.low
  }
  not(size: Size, a: Flow): Flow {
    return this.#computed(this.#values.not(size, a.value), a)
  }
  shl(size: Size, a: Flow, count: Flow): Flow {
    return this.#computed(this.#values.shl(size, a.value, count.value), a, count)
  }
  shr(size: Size, a: Flow, count: Flow): Flow {
    return this.#computed(this.#values.shr(size, a.value, count.value), a, count)
  }
  sar(size: Size, a: Flow, count: Flow): Flow {
    return this.#computed(this.#values.sar(size, a.value, count.value), a, count)
  }
  zeroExtend(from: Size, a: Flow): Flow {
    return { ...a, value: this.#values.zeroExtend(from, a.value) }
  }
  signExtend(from: Size, to: Size, a: Flow): Flow {
    return { ...a, value: this.#values.signExtend(from, to, a.value) }
  }
  equal(a: Flow, b: Flow): Flow {
    return this.#computed(this.#values.equal(a.value, b.value), a, b)
  }
  below(a: Flow, b: Flow): Flow {
    return this.#computed(this.#values.below(a.value, b.value), a, b)
  }
  select(condition: Flow, whenTrue: Flow, whenFalse: Flow): Flow {
    return condition.value === 0n ? whenFalse : whenTrue
  }
  when(condition: Flow, then: () => void, otherwise?: () => void): void {
    this.conditions.push(...condition.sources)
    if (this.#reads.takesBoth || condition.value !== 0n) then()
    if (this.#reads.takesBoth || condition.value === 0n) otherwise?.()
  }

  flags(_rule: FlagRule, _size: Size, a: Flow, b: Flow, { value }: Flow): void {
    this.flagsFlow = this.#computed(value, a, b)
  }
  flag(name: FlagName): Flow {
    return { value: BigInt((this.#reads.flags >>> RFLAGS[name]) & 1), sources: [FLAGS], isMoved: false }
  }
  setFlag(): void {}
  condition(code: ConditionCode): Flow {
    return { value: conditionHolds(code, this.#reads.flags) ? 1n : 0n, sources: [FLAGS], isMoved: false }
  }
  rflags(): Flow {
    return { value: BigInt(this.#reads.flags >>> 0), sources: [FLAGS], isMoved: false }
  }
  next(): Flow {
    return constant(BigInt.asUintN(64, this.#reads.rip + BigInt(this.#instruction.length)))
  }
  branch(target: Flow): void {
    this.target = target
  }
  again(): void {}
  fault(): void {}
  has(): Flow {
    return { value: 1n, sources: [], isMoved: false }
  }
  require(): void {}
  system(operation: SystemOperation): void {
    this.systemOperation = operation
  }
}

function effect(reads: Reads, instruction: Instruction): Effect {
  const ops = new FlowOps(reads, instruction)
  instruction.row.execute(ops, instruction)
  const { writes, systemOperation, target, conditions, flagsFlow } = ops
  return { writes, system: systemOperation, branch: target, condition: conditions, flags: flagsFlow }
}

/** What the instruction would do on the machine as it stands; the engine has flushed. */
export const effectOf = (engine: Engine, instruction: Instruction): Effect => effect(readsOf(engine), instruction)

/** Where an operand's value is, on the machine as it stands. */
export const operandSource = (engine: Engine, instruction: Instruction, operand: Operand): Source | undefined =>
  new FlowOps(readsOf(engine), instruction).read(operand.kind === 'memory' && operand.size === 0 ? { ...operand, size: 64 } : operand)
    .sources[0]

function readsOf({ machine, index, registers, cpu, rip }: Engine): Reads {
  const { gpr, cr, pdpte, segmentBase, rflags } = registers
  const paging = { cr0: cr[0]!, cr3: cr[3]!, cr4: cr[4]!, efer: cpu.msrs[MSRS.MSR_EFER.index] ?? 0n, pdptes: [...pdpte] }
  const byteAt = linearBytes({ machine, cpu: index }, paging)
  const memory = (address: bigint, bytes: number): bigint => {
    let value = 0n
    for (let i = bytes - 1; i >= 0; i--) value = (value << 8n) | BigInt(byteAt(BigInt.asUintN(64, address + BigInt(i))) ?? 0)
    return value
  }
  return {
    gpr: register => gpr[register]!,
    memory,
    segmentBase: segment => segmentBase[segment]!,
    flags: Number(rflags[0]! & 0xffff_ffffn),
    takesBoth: false,
    rip,
  }
}

const A = 1
const C = 2
const D = 4
const B = 8
const SP = 1 << RSP
const STRING = C | (1 << RSI) | (1 << RDI)

/** Registers that operations outside data flow write, besides their first operand. */
const SYSTEM_WRITES: Partial<Record<SystemOperation, number>> = {
  cpuid: A | B | C | D,
  rdtsc: A | D,
  rdtscp: A | C | D,
  rdmsr: A | D,
  rdpmc: A | D,
  xgetbv: A | D,
  rdpkru: A | D,
  in: A,
  ins: STRING,
  outs: STRING,
  syscall: C | (1 << 11),
  popf: SP,
  int: SP,
  int3: SP,
  int1: SP,
  into: SP,
  iret: SP,
  'far-call': SP,
  'far-return': SP,
  'pop-to-segment': SP,
  sysenter: SP,
  sysexit: SP,
}
const WRITES_FIRST_OPERAND: ReadonlySet<SystemOperation> = new Set([
  'vmread',
  'mov-from-control',
  'mov-from-debug',
  'read-segment-base',
  'load-far-pointer',
  'lar',
  'lsl',
  'sldt',
  'smsw',
  'str',
  'rdrand',
  'rdseed',
  'rdpid',
])

const NOTHING: Reads = { gpr: () => 0n, memory: () => 0n, segmentBase: () => 0n, flags: 0, takesBoth: true, rip: 0n }

/** By form and operands: an instruction next to data that changes is decoded anew each time. */
const known = new WeakMap<Form, Map<number, number>>()

const OPERAND_CODES = 32
const codeOf = (operand: Operand): number => (operand.kind === 'register' ? operand.index : operand.kind === 'memory' ? 30 : 31)

/** All that decides which registers may be written. */
const keyOf = ({ dst, src, third, repeat }: Instruction): number =>
  ((codeOf(dst) * OPERAND_CODES + codeOf(src)) * OPERAND_CODES + codeOf(third)) * 2 + (repeat === 0 ? 0 : 1)

/** The general registers that an instruction may write, whatever the machine holds: a bit for each. */
export function writableRegisters(instruction: Instruction): number {
  const ofForm = known.get(instruction.form) ?? new Map<number, number>()
  if (ofForm.size === 0) known.set(instruction.form, ofForm)
  const key = keyOf(instruction)
  const remembered = ofForm.get(key)
  if (remembered !== undefined) return remembered
  const registers = registersIn(effect(NOTHING, instruction), instruction)
  ofForm.set(key, registers)
  return registers
}

function registersIn({ writes, system }: Effect, { dst }: Instruction): number {
  let registers = system === null ? 0 : (SYSTEM_WRITES[system] ?? 0)
  if (system !== null && WRITES_FIRST_OPERAND.has(system) && dst.kind === 'register') registers |= 1 << dst.index
  for (const write of writes) if (write.kind === 'register') registers |= 1 << write.index
  return registers
}

/** Memory that the instruction reads and writes by data flow, and whether it does more than that. */
export function memoryTouched(engine: Engine, instruction: Instruction) {
  const reads = readsOf(engine)
  const touches: { address: bigint; bytes: number; isWrite: boolean }[] = []
  const memory = (address: bigint, bytes: number): bigint => {
    touches.push({ address, bytes, isWrite: false })
    return reads.memory(address, bytes)
  }
  const { writes, system } = effect({ ...reads, memory }, instruction)
  for (const write of writes) if (write.kind === 'memory') touches.push({ address: write.address, bytes: write.bytes, isWrite: true })
  return { touches, isSystem: system !== null }
}
