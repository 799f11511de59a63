/**
 * Memory as one CPU's instructions address it: segment, linear address, TLB, and the walk where that does not know (Intel SDM,
 * "Logical and Linear Addresses"). An access that crosses a page is checked on both pages before it happens.
 */

import { high32, low32, type Size, shiftRight } from '../../base/u64.ts'
import { FS, type SegmentIndex, SS } from '../../isa/operands.ts'
import { isCanonical } from '../../spec/address-width.ts'
import type { Machine } from '../machine.ts'
import type { Memory } from '../memory.ts'
import { addressSpaceOf } from './address-space.ts'
import { Fault, generalProtection, VECTOR } from './faults.ts'
import { type Access, type AddressSpace, walk } from './paging.ts'
import { type Cpu, cplOf, type Registers } from './registers.ts'
import { ACCESS, type Tlb, TlbCache, USER_SHIFT } from './tlb.ts'

export class LinearMemory {
  readonly machine: Machine
  readonly memory: Memory
  readonly registers: Registers
  readonly index: number
  readonly tlbs: TlbCache
  /** Privilege as bit shift into TLB rights: 0 supervisor, 3 user. */
  userShift = 0
  space!: AddressSpace
  #tlb!: Tlb

  constructor(machine: Machine, index: number) {
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

  /** Takes over what defines the address space and the privilege. */
  loadAddressSpace(): void {
    const { key, space } = addressSpaceOf(this.cpu, this.registers)
    this.space = space
    this.#tlb = this.tlbs.of(key)
    this.userShift = cplOf(this.cpu) === 3 ? USER_SHIFT : 0
  }

  /** Host-physical address of a linear one; faults as the access would. */
  translate(linear: bigint, access: Access, shift: number = this.userShift): number {
    const page = high32(linear) * 2 ** 20 + (low32(linear) >>> 12)
    const inPage = low32(linear) & 0xfff
    const frame = this.#tlb.lookup(page, ACCESS[access] << shift)
    if (frame >= 0) return frame + inPage
    if (!isCanonical(linear)) throw generalProtection()
    const { frame: walked, rights } = walk(this.memory, this.space, linear, access, shift !== 0)
    if (this.tlbs.enabled) this.#tlb.insert(page, walked, rights)
    return walked + inPage
  }

  /** Linear address of an offset in a segment (64-bit mode: only FS and GS have bases). */
  linear(segment: SegmentIndex, offset: bigint): bigint {
    const linear = segment >= FS ? BigInt.asUintN(64, this.registers.segmentBase[segment]! + offset) : offset
    if (!isCanonical(linear)) throw segment === SS ? new Fault(VECTOR.SS, 0) : generalProtection()
    return linear
  }

  loadLinear(size: Size, linear: bigint, shift: number = this.userShift): bigint {
    if ((low32(linear) & 0xfff) + size / 8 > 4096) return this.#loadAcross(size, linear, shift)
    const address = this.translate(linear, 'read', shift)
    if (size === 64) return this.memory.read64(address)
    if (size === 32) return BigInt(this.memory.read32(address))
    if (size === 16) return BigInt(this.memory.read16(address))
    return BigInt(this.memory.read8(address))
  }

  storeLinear(size: Size, linear: bigint, value: bigint, shift: number = this.userShift): void {
    if ((low32(linear) & 0xfff) + size / 8 > 4096) return this.#storeAcross(size, linear, value, shift)
    const address = this.translate(linear, 'write', shift)
    if (size === 64) this.memory.write64(address, value)
    else if (size === 32) this.memory.write32(address, low32(value))
    else if (size === 16) this.memory.write16(address, low32(value))
    else this.memory.write8(address, low32(value))
  }

  /** Raises what a store of so many bytes (at most a page) would raise, and stores nothing. */
  touchLinear(bytes: number, linear: bigint, shift: number = this.userShift): void {
    this.translate(linear, 'write', shift)
    if ((low32(linear) & 0xfff) + bytes > 4096) this.translate(nextPage(linear), 'write', shift)
  }

  #loadAcross(size: Size, linear: bigint, shift: number): bigint {
    let value = 0n
    this.translate(linear, 'read', shift)
    for (let byte = size / 8 - 1; byte >= 0; byte--)
      value = (value << 8n) | BigInt(this.memory.read8(this.translate(at(linear, byte), 'read', shift)))
    return value
  }

  #storeAcross(size: Size, linear: bigint, value: bigint, shift: number): void {
    this.touchLinear(size / 8, linear, shift)
    for (let byte = 0; byte < size / 8; byte++)
      this.memory.write8(this.translate(at(linear, byte), 'write', shift), low32(shiftRight(value, 8 * byte)) & 0xff)
  }
}

/** A fault on the second page of an access is reported with that page's first byte. */
const nextPage = (linear: bigint): bigint => BigInt.asUintN(64, (linear & ~0xfffn) + 0x1000n)

/** The linear address so many bytes on; linear addresses wrap at 64 bits. */
const at = (linear: bigint, bytes: number): bigint => BigInt.asUintN(64, linear + BigInt(bytes))
