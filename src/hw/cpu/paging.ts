/**
 * Linear to physical addresses (Intel SDM, "4-Level Paging and 5-Level Paging"; "The Extended Page Table Mechanism (EPT)").
 *
 *     linear --(CR3 tables)--> guest-physical --(EPT, in non-root operation)--> host-physical
 *
 * Each paging-structure entry that a walk reads lies at a guest-physical address and goes through EPT itself.
 */

import { low32 } from '../../base/u64.ts'
import { PHYSICAL_ADDRESS_BITS } from '../../spec/address-width.ts'
import { CR0, EFER } from '../../spec/cr-bits.ts'
import type { Memory } from '../memory.ts'
import { Fault, VECTOR, VmExit } from './faults.ts'
import { ACCESS, USER_SHIFT } from './tlb.ts'

export type Access = 'read' | 'write' | 'execute'

/** What a walk depends on besides memory. */
export interface AddressSpace {
  readonly cr0: bigint
  readonly cr3: bigint
  readonly efer: bigint
  /** The EPT pointer in VMX non-root operation with EPT, else 0. */
  readonly eptp: bigint
}

export interface Translation {
  /** Host-physical address of the 4-KByte frame. */
  readonly frame: number
  /** Rights as the TLB keeps them. */
  readonly rights: number
}

const PRESENT = 1n
const WRITABLE = 2n
const USER = 4n
const ACCESSED = 0x20n
const DIRTY = 0x40n
const LARGE = 0x80n
const NO_EXECUTE = 1n << 63n
const ADDRESS = 0x000f_ffff_ffff_f000n
const RESERVED_ADDRESS = ADDRESS & ~((1n << BigInt(PHYSICAL_ADDRESS_BITS)) - 1n)

const ERROR = { present: 1, write: 2, user: 4, reserved: 8, fetch: 16 } as const

const has = (word: bigint, mask: bigint): boolean => (word & mask) !== 0n
const bitOf = (position: number): bigint => 1n << BigInt(position)

function pageFault(linear: bigint, access: Access, user: boolean, cause: number, noExecute: boolean): Fault {
  const fetch = access === 'execute' && noExecute ? ERROR.fetch : 0
  const code = cause | (access === 'write' ? ERROR.write : 0) | (user ? ERROR.user : 0) | fetch
  return new Fault(VECTOR.PF, code, linear)
}

/** The frame and the rights of a linear page; raises #PF, or an EPT exit, where `access` is not allowed. */
export function walk(memory: Memory, space: AddressSpace, linear: bigint, access: Access, user: boolean): Translation {
  if (!has(space.cr0, bitOf(CR0.PG))) {
    const frame = guestToHost(memory, space, (low32(linear) & ~0xfff) >>> 0, access, linear, true)
    return { frame: frame.frame, rights: frame.rights | (frame.rights << USER_SHIFT) }
  }
  const noExecuteEnabled = has(space.efer, bitOf(EFER.NX))
  const index = BigInt.asUintN(48, linear)
  let table = space.cr3 & ADDRESS
  let writable = true
  let userPage = true
  let executable = true
  for (let level = 3; ; level--) {
    const entryAt = Number(table) + Number((index >> BigInt(12 + 9 * level)) & 0x1ffn) * 8
    const host = guestToHost(memory, space, entryAt - (entryAt % 4096), 'read', linear, false).frame + (entryAt % 4096)
    memory.markPaging(host)
    const entry = memory.read64(host)
    if (!has(entry, PRESENT)) throw pageFault(linear, access, user, 0, noExecuteEnabled)
    const isLeaf = level === 0 || has(entry, LARGE)
    if (isReserved(entry, level, isLeaf, noExecuteEnabled))
      throw pageFault(linear, access, user, ERROR.present | ERROR.reserved, noExecuteEnabled)
    writable &&= has(entry, WRITABLE)
    userPage &&= has(entry, USER)
    executable &&= !has(entry, NO_EXECUTE)
    if (!isLeaf) {
      if (!has(entry, ACCESSED)) setPagingBits(memory, space, entryAt, host, entry | ACCESSED, linear)
      table = entry & ADDRESS
      continue
    }
    const write = access === 'write'
    const mayWrite = writable || (!user && !has(space.cr0, bitOf(CR0.WP)))
    const allowed = (!user || userPage) && (!write || mayWrite) && (access !== 'execute' || executable)
    if (!allowed) throw pageFault(linear, access, user, ERROR.present, noExecuteEnabled)
    const wanted = entry | ACCESSED | (write ? DIRTY : 0n)
    if (wanted !== entry) setPagingBits(memory, space, entryAt, host, wanted, linear)
    const offset = Number(index & ((1n << BigInt(12 + 9 * level)) - 1n))
    const physical = Number(entry & ADDRESS & ~((1n << BigInt(12 + 9 * level)) - 1n)) + (offset - (offset % 4096))
    const host4k = guestToHost(memory, space, physical, access, linear, true)
    const supervisorWrite = (writable || !has(space.cr0, bitOf(CR0.WP))) && has(wanted, DIRTY)
    const supervisor = ACCESS.read | (supervisorWrite ? ACCESS.write : 0) | (executable ? ACCESS.execute : 0)
    const userRights = userPage ? ACCESS.read | (writable && has(wanted, DIRTY) ? ACCESS.write : 0) | (executable ? ACCESS.execute : 0) : 0
    return { frame: host4k.frame, rights: (supervisor & host4k.rights) | ((userRights & host4k.rights) << USER_SHIFT) }
  }
}

function isReserved(entry: bigint, level: number, isLeaf: boolean, noExecuteEnabled: boolean): boolean {
  if (has(entry, RESERVED_ADDRESS) || (!noExecuteEnabled && has(entry, NO_EXECUTE))) return true
  if (level === 3 && has(entry, LARGE)) return true
  // A large page's frame is aligned to its size; bit 12 is its PAT bit.
  return isLeaf && level > 0 && has(entry, ((1n << BigInt(12 + 9 * level)) - 1n) & ADDRESS & ~0x1000n)
}

/** Setting accessed or dirty bits is a write to the guest-physical page that holds the entry. */
function setPagingBits(memory: Memory, space: AddressSpace, entryAt: number, host: number, value: bigint, linear: bigint): void {
  guestToHost(memory, space, entryAt - (entryAt % 4096), 'write', linear, false)
  memory.setPagingBits(host, value)
}

const EPT_READ = 1n
const EPT_WRITE = 2n
const EPT_EXECUTE = 4n

/** Host-physical frame of a guest-physical one, with EPT's rights; the identity with all rights without EPT. */
function guestToHost(
  memory: Memory,
  space: AddressSpace,
  guestPhysical: number,
  access: Access,
  linear: bigint,
  final: boolean,
): Translation {
  if (space.eptp === 0n) return { frame: guestPhysical, rights: ACCESS.read | ACCESS.write | ACCESS.execute }
  const index = BigInt(guestPhysical)
  let table = space.eptp & ADDRESS
  let rights = EPT_READ | EPT_WRITE | EPT_EXECUTE
  for (let level = 3; ; level--) {
    const entryAt = Number(table) + Number((index >> BigInt(12 + 9 * level)) & 0x1ffn) * 8
    memory.markPaging(entryAt)
    const entry = memory.read64(entryAt)
    const granted = entry & 7n
    rights &= granted
    if (granted === 0n) throw eptViolation(guestPhysical, access, 0n, linear, final)
    if ((granted & (EPT_READ | EPT_WRITE)) === EPT_WRITE || has(entry, RESERVED_ADDRESS) || (level === 3 && has(entry, LARGE)))
      throw new VmExit('EXIT_REASON_EPT_MISCONFIG', { guestPhysical })
    if (level > 0 && !has(entry, LARGE)) {
      table = entry & ADDRESS
      continue
    }
    const needed = access === 'read' ? EPT_READ : access === 'write' ? EPT_WRITE : EPT_EXECUTE
    if (!has(rights, needed)) throw eptViolation(guestPhysical, access, rights, linear, final)
    const offset = Number(index & ((1n << BigInt(12 + 9 * level)) - 1n))
    const frame = Number(entry & ADDRESS & ~((1n << BigInt(12 + 9 * level)) - 1n)) + (offset - (offset % 4096))
    return { frame, rights: Number(rights) }
  }
}

/** Qualification: what was tried (2:0), what EPT allowed (5:3), a linear address led here (7), and it was its final access (8). */
function eptViolation(guestPhysical: number, access: Access, rights: bigint, linear: bigint, final: boolean): VmExit {
  const tried = access === 'read' ? 1n : access === 'write' ? 2n : 4n
  const qualification = tried | (rights << 3n) | (1n << 7n) | (final ? 1n << 8n : 0n)
  const inPage = final ? low32(linear) & 0xfff : 0
  return new VmExit('EXIT_REASON_EPT_VIOLATION', {
    qualification,
    guestPhysical: guestPhysical + inPage,
    guestLinear: linear,
  })
}
