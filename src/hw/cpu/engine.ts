/**
 * The reference engine: `Ops<bigint>` over one CPU's registers and memory, written to be read. It owns what is private to an
 * engine (lazy flags, the current address space's TLB, the instruction under way) and nothing that a snapshot must contain:
 * everything it derives can be dropped at any instruction boundary.
 */

import { assert } from '../../base/assert.ts'
import { fromNumber, type Size, shiftRight, unsigned } from '../../base/u64.ts'
import type { Instruction } from '../../isa/instruction.ts'
import { CS, type MemoryOperand, type Operand, type SegmentIndex } from '../../isa/operands.ts'
import type { FlagRule, Ops } from '../../isa/ops.ts'
import { AC, conditionHolds, STATUS, statusFlags } from '../../isa/status-flags.ts'
import type { SystemOperation } from '../../isa/system-operations.ts'
import { isCanonical } from '../../spec/address-width.ts'
import type { CpuidFeatureName } from '../../spec/cpuid.ts'
import { type ConditionCode, type FlagName, RFLAGS } from '../../spec/rflags.ts'
import type { Machine } from '../machine.ts'
import { NEVER } from '../time/event-queue.ts'
import { CheckedVmcses } from '../vmx/checked-vmcs.ts'
import { guestHas } from '../vmx/state.ts'
import { DecodedPage } from './decode-cache.ts'
import { Fault, generalProtection } from './faults.ts'
import { LinearMemory } from './linear-memory.ts'
import { modeOf } from './mode.ts'
import { hasFeature, requireFeature } from './system/features.ts'
import { type Alignment, readVector, writeVector } from './system/vectors.ts'
import { systemOperations } from './system-table.ts'

const SYSTEM_FLAGS_WRITABLE = ~STATUS
/** No page starts there. */
const NO_PAGE = 1n << 64n

export class Engine extends LinearMemory implements Ops<bigint> {
  /** The features of the configuration. */
  readonly features: ReadonlySet<string>
  /** RFLAGS bits 31:0, with the status flags as of the last materialisation. */
  flagsWord = 0
  /** What comes after the current instruction: the next one, the one at `target`, or the same again. */
  outcome: 'next' | 'branch' | 'again' = 'next'
  target = 0n
  current!: Instruction
  /** Something may be pending that is looked at between instructions. */
  attention = true
  /** The number of the instruction that the budget of this run ends before. */
  lastInstruction = NEVER
  /** The guest runs with the monitor trap flag: every instruction is followed by an exit. */
  trapsEach = false
  /** VMCSs that passed the checks of VM entry. */
  readonly checkedVmcses = new CheckedVmcses()
  /** The mode is virtual-8086: some instructions need IOPL 3. */
  isVirtual8086 = false
  /** The current instruction began blocking (STI, MOV SS) itself. */
  beganBlocking = false
  /** The current instruction is an IRET that found NMIs blocked, and unblocked them; until it is complete, or its fault is delivered. */
  unblockedNmi = false
  /** The current instruction was delivered as an interrupt (INT n and its kin): no single-step trap follows it. */
  tookEvent = false
  /** While an event is being delivered: its interruption information, for the IDT-vectoring fields of an exit. */
  delivering: { info: number; errorCode: number; length: number } | null = null
  /**
   * RIP at the first byte of the page that code is fetched from (below 0 where the code segment begins inside the page), or
   * `NO_PAGE`; in 64-bit mode the number of that page; its frame, its decoded instructions by offset.
   */
  codeStart = NO_PAGE
  codePageNumber = -1
  codeFrame = 0
  codePage = new DecodedPage()
  /** RIP as an offset in that page while only the engine knows it; -1 when the register holds RIP. */
  position = -1
  #rule: FlagRule | null = null
  #size: Size = 64
  #a = 0n
  #b = 0n
  #result = 0n

  constructor(machine: Machine, index: number) {
    super(machine, index)
    this.features = new Set(machine.config.features)
  }

  /** Takes over registers that something else may have changed: at the start of a run, after a restore, VM entry or exit. */
  reload(): void {
    this.flagsWord = Number(this.registers.rflags[0]! & 0xffff_ffffn)
    this.#rule = null
    this.attention = true
    this.reloadAddressSpace()
  }

  reloadAddressSpace(): void {
    this.releaseRip()
    this.loadMode()
    this.loadAddressSpace()
    this.loadPrivilege(this.flagsWord)
    this.loadBreakpoints()
    this.trapsEach = guestHas(this.cpu.vmx, 'CPU_BASED_MONITOR_TRAP_FLAG')
  }

  /** Takes over what decides the mode: CR0.PE, EFER.LMA, RFLAGS.VM, and the rights of CS and SS. */
  loadMode(): void {
    this.releaseRip()
    const { mode, bits, stackBits } = modeOf(this.cpu, this.registers, this.flagsWord)
    this.mode = mode
    this.isVirtual8086 = mode === 'virtual-8086'
    this.bits = bits
    this.stackBits = stackBits
    this.codeStart = NO_PAGE
    this.codePageNumber = -1
  }

  /** Puts RIP back into its register, which holds it from here on. */
  releaseRip(): void {
    if (this.position < 0) return
    this.registers.rip[0] = this.rip
    this.position = -1
  }

  /** Address of the current instruction. */
  get rip(): bigint {
    return this.position < 0 ? this.registers.rip[0]! : this.wrapRip(this.codeStart + fromNumber(this.position))
  }

  /** Address of the instruction behind the current one. */
  get following(): bigint {
    const { position, current } = this
    const unwrapped =
      position < 0 ? this.registers.rip[0]! + fromNumber(current.length) : this.codeStart + fromNumber(position + current.length)
    return this.wrapRip(unwrapped)
  }

  /** RIP in 64-bit mode, EIP elsewhere. */
  wrapRip(value: bigint): bigint {
    return this.bits === 64 ? BigInt.asUintN(64, value) : BigInt.asUintN(32, value)
  }

  /** Writes back what the engine keeps to itself. */
  flush(): void {
    this.releaseRip()
    this.registers.rflags[0] = BigInt(this.materialised() >>> 0)
  }

  /** Drops every translation: a page that held paging structures was written. */
  dropTranslations(): void {
    this.tlbs.flush()
    this.reloadAddressSpace()
  }

  // Ops: operands.

  read(operand: Operand): bigint {
    switch (operand.kind) {
      case 'register': {
        const value = this.registers.gpr[operand.index]!
        if (operand.size === 64) return value
        if (operand.size === 32) return BigInt.asUintN(32, value)
        if (operand.size === 16) return BigInt.asUintN(16, value)
        return operand.high ? BigInt.asUintN(8, shiftRight(value, 8)) : BigInt.asUintN(8, value)
      }
      case 'memory':
        return this.load(operand.size as Size, operand.segment, this.address(operand))
      case 'immediate':
        return operand.value
      case 'segment':
        return BigInt(this.cpu.segments[operand.index]!.selector)
      default:
        assert(false, `a ${operand.kind} operand is not read as a value`)
    }
  }

  modify(operand: Operand): bigint {
    if (operand.kind !== 'memory') return this.read(operand)
    const size = operand.size as Size
    const linear = this.linear(operand.segment, this.address(operand), size / 8, 'write')
    this.touchLinear(size / 8, linear)
    return this.loadLinear(size, linear)
  }

  write(operand: Operand, value: bigint): void {
    if (operand.kind === 'memory') {
      this.store(operand.size as Size, operand.segment, this.address(operand), value)
      return
    }
    assert(operand.kind === 'register', `a ${operand.kind} operand is not written`)
    const { gpr } = this.registers
    const { index, size } = operand
    if (size === 64 || size === 32) gpr[index] = value
    else if (size === 16) gpr[index] = (gpr[index]! & ~0xffffn) | value
    else if (operand.high) gpr[index] = (gpr[index]! & ~0xff00n) | (value << 8n)
    else gpr[index] = (gpr[index]! & ~0xffn) | value
  }

  address(operand: Operand): bigint {
    const { base, index, scale, displacement, addressSize } = operand as MemoryOperand
    const { gpr } = this.registers
    let sum = base === 'rip' ? this.following + displacement : base < 0 ? displacement : gpr[base]! + displacement
    if (index >= 0) sum += gpr[index]! * fromNumber(scale)
    return addressSize === 64 ? BigInt.asUintN(64, sum) : addressSize === 32 ? BigInt.asUintN(32, sum) : BigInt.asUintN(16, sum)
  }

  load(size: Size, segment: SegmentIndex, address: bigint): bigint {
    if (this.bits === 64) return this.loadLinear(size, this.flatAddress(segment, address))
    return this.loadLinear(size, this.linear(segment, address, size / 8, 'read'))
  }

  store(size: Size, segment: SegmentIndex, address: bigint, value: bigint): void {
    if (this.bits === 64) this.storeLinear(size, this.flatAddress(segment, address), value)
    else this.storeLinear(size, this.linear(segment, address, size / 8, 'write'), value)
  }

  touch(size: Size, segment: SegmentIndex, address: bigint): void {
    this.touchLinear(size / 8, this.linear(segment, address, size / 8, 'write'))
  }

  readVector(operand: Operand, alignment: Alignment): readonly bigint[] {
    return readVector(this, operand, alignment)
  }
  writeVector(operand: Operand, lanes: readonly bigint[], alignment: Alignment): void {
    writeVector(this, operand, lanes, alignment)
  }

  // Ops: flags. Arithmetic and choice are `BigintArithmetic`.

  flags(rule: FlagRule, size: Size, a: bigint, b: bigint, result: bigint): void {
    if (rule === 'inc' || rule === 'dec') this.materialised()
    this.#rule = rule
    this.#size = size
    this.#a = a
    this.#b = b
    this.#result = result
  }

  /** RFLAGS bits 31:0 with every flag worked out. */
  materialised(): number {
    if (this.#rule === null) return this.flagsWord
    const status = statusFlags(this.#rule, this.#size, this.#a, this.#b, this.#result, this.flagsWord)
    this.flagsWord = (this.flagsWord & SYSTEM_FLAGS_WRITABLE) | status
    this.#rule = null
    return this.flagsWord
  }

  /** Replaces RFLAGS bits 31:0 as a whole. */
  replaceFlags(word: number): void {
    this.#rule = null
    if (((this.flagsWord ^ word) & AC) !== 0) this.loadPrivilege(word)
    this.flagsWord = word
  }

  flag(name: FlagName): bigint {
    return (this.materialised() >>> RFLAGS[name]) & 1 ? 1n : 0n
  }
  setFlag(name: FlagName, value: bigint): void {
    const mask = 1 << RFLAGS[name]
    const word = this.materialised()
    this.flagsWord = value === 0n ? word & ~mask : word | mask
  }
  condition(code: ConditionCode): bigint {
    // The two commonest questions, after the two commonest rules, need no flags.
    if (code >> 1 === 2 && this.#rule !== null) return (this.#result === 0n) === ((code & 1) === 0) ? 1n : 0n
    if (code >> 1 === 1 && this.#rule === 'sub' && this.#plainBorrow()) return this.#a < this.#b === ((code & 1) === 0) ? 1n : 0n
    return conditionHolds(code, this.materialised()) ? 1n : 0n
  }
  /** Whether the last `sub` was without an incoming borrow, so that CF is a comparison. */
  #plainBorrow(): boolean {
    return this.#result === unsigned(this.#size, this.#a - this.#b)
  }
  rflags(): bigint {
    return BigInt(this.materialised() >>> 0)
  }

  // Ops: control flow.

  next(): bigint {
    return this.following
  }
  branch(target: bigint): void {
    this.checkTarget(target)
    this.target = target
    this.outcome = 'branch'
  }
  /** A transfer goes to a canonical address, outside 64-bit mode to one within the code segment's limit. */
  checkTarget(target: bigint): void {
    const isValid = this.bits === 64 ? isCanonical(target, this.linearBits) : Number(target) <= this.cpu.segments[CS]!.limit
    if (!isValid) throw generalProtection()
  }
  again(): void {
    this.outcome = 'again'
    this.cpu.midRepeat = true
  }
  fault(vector: number, errorCode?: number): void {
    throw new Fault(vector, errorCode ?? null)
  }
  has(feature: CpuidFeatureName): bigint {
    return hasFeature(this, feature) ? 1n : 0n
  }
  require(feature: CpuidFeatureName): void {
    requireFeature(this, feature)
  }
  system(operation: SystemOperation): void {
    this.target = this.following
    this.outcome = 'branch'
    this.releaseRip()
    systemOperations[operation](this, this.current)
  }
}
