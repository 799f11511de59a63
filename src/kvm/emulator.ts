/**
 * One instruction of the guest's, carried out by KVM (Linux `arch/x86/kvm/emulate.c`): `Ops<bigint>` over the vCPU's registers, the guest's
 * memory and its devices. What it writes is kept until the instruction is complete, so that it can be begun again.
 */

import type { Size } from '../base/u64.ts'
import { BigintArithmetic } from '../isa/bigint-arithmetic.ts'
import { Fault } from '../isa/fault.ts'
import type { Instruction } from '../isa/instruction.ts'
import type { MemoryOperand, Operand, RegisterOperand, SegmentIndex } from '../isa/operands.ts'
import type { FlagRule, Ops } from '../isa/ops.ts'
import { conditionHolds, STATUS, statusFlags } from '../isa/status-flags.ts'
import type { SystemOperation } from '../isa/system-operations.ts'
import type { CpuidFeatureName } from '../spec/cpuid.ts'
import { type ConditionCode, type FlagName, RFLAGS } from '../spec/rflags.ts'
import type { VmcsFieldName } from '../spec/vmcs-fields.ts'
import type { Context } from './context.ts'
import { hasFeature } from './cpuid.ts'
import { emulateSegmentLoad } from './emulate-segment.ts'
import { linearAddress } from './emulated-address.ts'
import { type EmulatedMemory, Unhandled } from './emulation.ts'
import { SEGMENTS } from './registers.ts'

const RSP = 4

export class Emulator extends BigintArithmetic implements Ops<bigint> {
  readonly #c: Context
  readonly #memory: EmulatedMemory
  readonly #instruction: Instruction
  /** General registers that were written. */
  readonly registers = new Map<number, bigint>()
  /** Fields of the VMCS that were written. */
  fields: readonly [VmcsFieldName, bigint][] = []
  flagsWord: number
  /** What holds back interrupts until the next instruction is over, as the interruptibility state has it. */
  blocking = 0
  outcome: 'next' | 'branch' | 'again' = 'next'
  target = 0n

  constructor(c: Context, instruction: Instruction, memory: EmulatedMemory) {
    super()
    this.#c = c
    this.#memory = memory
    this.#instruction = instruction
    this.flagsWord = Number(c.cpu.vmread('GUEST_RFLAGS'))
  }

  #register(index: number): bigint {
    return this.registers.get(index) ?? (index === RSP ? this.#c.cpu.vmread('GUEST_RSP') : this.#c.cpu.gpr(index))
  }

  read(operand: Operand): bigint {
    switch (operand.kind) {
      case 'register':
        return this.zeroExtend(operand.size, operand.high ? this.#register(operand.index) >> BYTE : this.#register(operand.index))
      case 'memory':
        return this.load(operand.size as Size, operand.segment, this.address(operand))
      case 'immediate':
        return operand.value
      case 'segment':
        return this.#c.cpu.vmread(`GUEST_${SEGMENTS[operand.index]!}_SELECTOR` as VmcsFieldName)
      default:
        throw new Unhandled()
    }
  }

  modify(operand: Operand): bigint {
    if (operand.kind === 'memory') this.touch(operand.size as Size, operand.segment, this.address(operand))
    return this.read(operand)
  }

  write(operand: Operand, value: bigint): void {
    if (operand.kind === 'memory') this.store(operand.size as Size, operand.segment, this.address(operand), value)
    else if (operand.kind === 'register') this.registers.set(operand.index, merged(this.#register(operand.index), operand, value))
    else throw new Unhandled()
  }

  address(operand: Operand): bigint {
    const { base, index, scale, displacement, addressSize } = operand as MemoryOperand
    const from = base === 'rip' ? this.next() : base < 0 ? 0n : this.#register(base)
    return this.zeroExtend(addressSize, from + displacement + (index < 0 ? 0n : this.#register(index) * BigInt(scale)))
  }

  #linear(size: Size, segment: SegmentIndex, offset: bigint, isWrite: boolean): bigint {
    return linearAddress(this.#c, this.#instruction.bits, { segment, offset, bytes: size / 8, isWrite })
  }

  load(size: Size, segment: SegmentIndex, address: bigint): bigint {
    return this.#memory.read(this.#linear(size, segment, address, false), size / 8)
  }
  store(size: Size, segment: SegmentIndex, address: bigint, value: bigint): void {
    this.#memory.write(this.#linear(size, segment, address, true), size / 8, value)
  }
  touch(size: Size, segment: SegmentIndex, address: bigint): void {
    this.#memory.touch(this.#linear(size, segment, address, true), size / 8)
  }

  /** Vector registers are in the CPU, out of KVM's reach. */
  readVector(): readonly bigint[] {
    throw new Unhandled()
  }
  writeVector(): void {
    throw new Unhandled()
  }

  flags(rule: FlagRule, size: Size, a: bigint, b: bigint, result: bigint): void {
    this.flagsWord = (this.flagsWord & ~STATUS) | statusFlags(rule, size, a, b, result, this.flagsWord)
  }
  flag(name: FlagName): bigint {
    return BigInt((this.flagsWord >>> RFLAGS[name]) & 1)
  }
  setFlag(name: FlagName, value: bigint): void {
    const mask = 1 << RFLAGS[name]
    this.flagsWord = value === 0n ? this.flagsWord & ~mask : this.flagsWord | mask
  }
  condition(code: ConditionCode): bigint {
    return conditionHolds(code, this.flagsWord) ? 1n : 0n
  }
  rflags(): bigint {
    return BigInt(this.flagsWord >>> 0)
  }

  next(): bigint {
    return this.add(this.#instruction.bits === 64 ? 64 : 32, this.#c.cpu.vmread('GUEST_RIP'), BigInt(this.#instruction.length))
  }
  branch(target: bigint): void {
    this.target = target
    this.outcome = 'branch'
  }
  again(): void {
    this.outcome = 'again'
  }
  fault(vector: number, errorCode?: number): void {
    throw new Fault(vector, errorCode ?? null)
  }
  has(feature: CpuidFeatureName): bigint {
    return hasFeature(this.#c.vcpu.cpuid, feature) ? 1n : 0n
  }
  require(feature: CpuidFeatureName): void {
    if (!hasFeature(this.#c.vcpu.cpuid, feature)) throw new Fault(UNDEFINED_OPCODE, null)
  }
  system(operation: SystemOperation): void {
    this.fields = emulateSegmentLoad(this.#c, this, this.#memory, this.#instruction, operation)
  }

  /** Where the guest goes on. */
  get rip(): bigint {
    if (this.outcome === 'again') return this.#c.cpu.vmread('GUEST_RIP')
    return this.outcome === 'branch' ? this.target : this.next()
  }
}

const UNDEFINED_OPCODE = 6
const BYTE = 8n

/** A register of 32 bits clears the upper half; one of 8 or 16 leaves the others as they are. */
function merged(before: bigint, { size, high }: RegisterOperand, value: bigint): bigint {
  if (size === 64 || size === 32) return value
  if (size === 16) return (before & ~0xffffn) | value
  return high ? (before & ~0xff00n) | (value << BYTE) : (before & ~0xffn) | value
}
