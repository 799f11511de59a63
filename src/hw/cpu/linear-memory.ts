/**
 * Memory as one CPU's instructions address it: segment, linear address, TLB, and the walk where that does not know (Intel SDM,
 * "Logical and Linear Addresses"). An access that crosses a page is checked on both pages before it happens.
 */

import { low32, pageNumber, type Size, shiftRight } from '../../base/u64.ts'
import { BigintArithmetic } from '../../isa/bigint-arithmetic.ts'
import { FS, type SegmentIndex, SS } from '../../isa/operands.ts'
import { AC } from '../../isa/status-flags.ts'
import { isCanonical, type LinearBits } from '../../spec/address-width.ts'
import { CR0 } from '../../spec/cr-bits.ts'
import type { Machine } from '../machine.ts'
import type { Memory } from '../memory.ts'
import { accessedFrame } from '../physical-devices.ts'
import { type AddressSpace, addressSpaceOf } from './address-space.ts'
import { type Breakpoint, breakpointsOf, dataMatches } from './debug.ts'
import { Fault, generalProtection, VECTOR } from './faults.ts'
import type { OperatingMode, Width } from './mode.ts'
import { type Access, walk } from './paging.ts'
import { type Cpu, cplOf, type Registers } from './registers.ts'
import { segmentedAddress, wrapped } from './segmentation.ts'
import { ACCESS, PRIVILEGE, type Tlb, TlbCache } from './tlb.ts'

const ALIGNMENT_MASK = 1n << BigInt(CR0.AM)

export class LinearMemory extends BigintArithmetic {
  readonly machine: Machine
  readonly memory: Memory
  readonly registers: Registers
  readonly index: number
  readonly tlbs: TlbCache
  /** How the current program's explicit accesses count: a `PRIVILEGE`. */
  privilege: number = PRIVILEGE.supervisor
  /** What code runs: the mode, the width of the code and of the stack pointer (see `mode`). */
  mode: OperatingMode = 'real'
  bits: Width = 16
  stackBits: Width = 16
  /** Low bits of an address that must be 0 as far as the access is wide (CR0.AM, EFLAGS.AC, CPL 3). */
  alignmentMask = 0
  /** Null while DR7 enables none; and what the current instruction used of what they watch, as DR6 has it. */
  breakpoints: readonly Breakpoint[] | null = null
  debugHits = 0
  space!: AddressSpace
  /** Bits of a linear address, by which the current mode tells canonical ones. */
  linearBits: LinearBits = 48
  #tlb!: Tlb

  constructor(machine: Machine, index: number) {
    super()
    this.machine = machine
    this.memory = machine.memory
    this.registers = machine.registers[index]!
    this.index = index
    this.tlbs = new TlbCache(machine.caching)
  }

  /** The plain row; it is another object after a restore. */
  get cpu(): Cpu {
    return this.machine.cpus[this.index]!
  }

  /** Takes over what defines the address space. */
  loadAddressSpace(): void {
    const { key, space } = addressSpaceOf(this.machine.config, this.cpu, this.registers)
    this.#tlb = this.tlbs.of(key, space)
    this.space = this.#tlb.space
    this.linearBits = this.space.format === '5-level' ? 57 : 48
  }

  /** Takes over the debug registers. */
  loadBreakpoints(): void {
    this.breakpoints = breakpointsOf(this.registers.dr, this.registers.cr[4]!)
    this.debugHits = 0
  }

  /** Takes over the privilege level and EFLAGS.AC. */
  loadPrivilege(rflags: number): void {
    const checksAlignment = cplOf(this.cpu) === 3 && (rflags & AC) !== 0 && (this.registers.cr[0]! & ALIGNMENT_MASK) !== 0n
    this.alignmentMask = checksAlignment ? 7 : 0
    this.privilege = cplOf(this.cpu) === 3 ? PRIVILEGE.user : (rflags & AC) !== 0 ? PRIVILEGE.supervisorWithAc : PRIVILEGE.supervisor
  }

  /** Host-physical address of a linear one; faults as the access would. */
  translate(linear: bigint, access: Access, privilege: number = this.privilege): number {
    const page = pageNumber(linear)
    const inPage = low32(linear) & 0xfff
    const frame = this.#tlb.lookup(page, ACCESS[access] << privilege)
    if (frame >= 0) return frame + inPage
    if (!isCanonical(linear, this.linearBits)) throw generalProtection()
    const { frame: walked, rights } = walk(this.memory, this.space, linear, access, privilege)
    const accessed = accessedFrame(this.machine, this.index, walked)
    if (this.tlbs.enabled) this.#tlb.insert(page, accessed, rights)
    return accessed + inPage
  }

  /** Linear address of `bytes` bytes at an offset in a segment. */
  linear(segment: SegmentIndex, offset: bigint, bytes: number, access: 'read' | 'write'): bigint {
    return this.bits === 64 ? this.flatAddress(segment, offset) : segmentedAddress(this, segment, offset, bytes, access)
  }

  /** The same in 64-bit mode: only FS and GS have bases, and nothing a limit. */
  flatAddress(segment: SegmentIndex, offset: bigint): bigint {
    const linear = segment >= FS ? BigInt.asUintN(64, this.registers.segmentBase[segment]! + offset) : offset
    if (!isCanonical(linear, this.linearBits)) throw segment === SS ? new Fault(VECTOR.SS, 0) : generalProtection()
    return linear
  }

  loadLinear(size: Size, linear: bigint, privilege: number = this.privilege): bigint {
    if ((low32(linear) & (size / 8 - 1) & this.alignmentMask) !== 0) this.#requireAligned(privilege)
    if (this.breakpoints !== null) this.debugHits |= dataMatches(this.breakpoints, linear, size / 8, false)
    if ((low32(linear) & 0xfff) + size / 8 > 4096) return this.#loadAcross(size, linear, privilege)
    const address = this.translate(linear, 'read', privilege)
    if (size === 64) return this.memory.read64(address)
    if (size === 32) return BigInt(this.memory.read32(address))
    if (size === 16) return BigInt(this.memory.read16(address))
    return BigInt(this.memory.read8(address))
  }

  storeLinear(size: Size, linear: bigint, value: bigint, privilege: number = this.privilege): void {
    if ((low32(linear) & (size / 8 - 1) & this.alignmentMask) !== 0) this.#requireAligned(privilege)
    if (this.breakpoints !== null) this.debugHits |= dataMatches(this.breakpoints, linear, size / 8, true)
    if ((low32(linear) & 0xfff) + size / 8 > 4096) return this.#storeAcross(size, linear, value, privilege)
    const address = this.translate(linear, 'write', privilege)
    if (size === 64) this.memory.write64(address, value)
    else if (size === 32) this.memory.write32(address, low32(value))
    else if (size === 16) this.memory.write16(address, low32(value))
    else this.memory.write8(address, low32(value))
  }

  /** The linear address some bytes on. Outside 64-bit mode 0 follows the last of 2^32 (but the CPU's own accesses go higher). */
  beyond(linear: bigint, bytes: number): bigint {
    const sum = linear + BigInt(bytes)
    return this.bits === 64 || linear > 0xffff_ffffn ? BigInt.asUintN(64, sum) : wrapped(sum)
  }

  /**
   * Raises what a store of so many bytes (at most a page) would raise, and stores nothing. A fault on the second page is reported
   * with that page's first byte.
   */
  touchLinear(bytes: number, linear: bigint, privilege: number = this.privilege): void {
    const first = this.translate(linear, 'write', privilege)
    if ((low32(linear) & 0xfff) + bytes <= 4096) return
    const second = this.translate(this.beyond(linear & ~0xfffn, 4096), 'write', privilege)
    for (const part of [first, second]) this.memory.onSplit(part, 'write')
  }

  /** #AC is for the program's own accesses in ring 3, not for those that the CPU makes by itself. */
  #requireAligned(privilege: number): void {
    if (privilege === PRIVILEGE.user) throw new Fault(VECTOR.AC, 0)
  }

  #loadAcross(size: Size, linear: bigint, privilege: number): bigint {
    let value = 0n
    const first = this.translate(linear, 'read', privilege)
    const second = this.translate(this.beyond(linear & ~0xfffn, 4096), 'read', privilege)
    for (const part of [first, second]) this.memory.onSplit(part, 'read')
    for (let byte = size / 8 - 1; byte >= 0; byte--)
      value = (value << 8n) | BigInt(this.memory.read8(this.translate(this.beyond(linear, byte), 'read', privilege)))
    return value
  }

  #storeAcross(size: Size, linear: bigint, value: bigint, privilege: number): void {
    this.touchLinear(size / 8, linear, privilege)
    for (let byte = 0; byte < size / 8; byte++)
      this.memory.write8(this.translate(this.beyond(linear, byte), 'write', privilege), low32(shiftRight(value, 8 * byte)) & 0xff)
  }
}
