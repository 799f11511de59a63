/**
 * Linear to physical addresses (Intel SDM, "Paging"): one walk for every format of paging structures.
 *
 *     linear --(CR3 tables)--> guest-physical --(EPT, in non-root operation)--> host-physical
 *
 * Each paging-structure entry that a walk reads lies at a guest-physical address and goes through EPT itself. Accessed flags are set
 * on the way down, in each entry that is used; the dirty flag, and the last entry's accessed flag, once the access is allowed.
 */

import { low32, pageNumber } from '../../base/u64.ts'
import type { Memory } from '../memory.ts'
import { eptTranslate } from '../vmx/ept.ts'
import type { AddressSpace } from './address-space.ts'
import { Fault, VECTOR } from './faults.ts'
import { PAGING_FORMATS } from './paging-formats.ts'
import { ACCESS, ALL_RIGHTS, PRIVILEGE } from './tlb.ts'

export type Access = 'read' | 'write' | 'execute'

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
const TABLE_ADDRESS = { 4: 0xffff_f000n, 8: 0x000f_ffff_ffff_f000n } as const

const ERROR = { present: 1, write: 2, user: 4, reserved: 8, fetch: 16 } as const

const has = (word: bigint, mask: bigint): boolean => (word & mask) !== 0n

/** The instruction-fetch bit is defined only where fetches can be told from reads. */
function pageFault(space: AddressSpace, linear: bigint, access: Access, privilege: number, cause: number): Fault {
  const fetch = access === 'execute' && (space.noExecute || space.smep) ? ERROR.fetch : 0
  const code = cause | (access === 'write' ? ERROR.write : 0) | (privilege === PRIVILEGE.user ? ERROR.user : 0) | fetch
  return new Fault(VECTOR.PF, code, linear)
}

/** What the entries from the root to the page allow together. */
interface Permissions {
  readonly writable: boolean
  readonly user: boolean
  readonly executable: boolean
}

/** Rights for each privilege (SDM, "Determination of Access Rights"). */
function rightsOf(space: AddressSpace, { writable, user, executable }: Permissions): number {
  const { read, write, execute } = ACCESS
  const data = read | (writable || !space.writeProtect ? write : 0)
  const code = executable && !(user && space.smep) ? execute : 0
  const supervisor = (user && space.smap ? 0 : data) | code
  const userRights = user ? read | (writable ? write : 0) | (executable ? execute : 0) : 0
  return (supervisor << PRIVILEGE.supervisor) | (userRights << PRIVILEGE.user) | ((data | code) << PRIVILEGE.supervisorWithAc)
}

/**
 * The frame and the rights of a linear page; raises #PF, or an EPT exit, where `access` is not allowed. Until the dirty flag is
 * set, the rights do not include writing, so that the first write comes here.
 */
export function walk(memory: Memory, space: AddressSpace, linear: bigint, access: Access, privilege: number): Translation {
  if (space.format === null) return finalFrame(memory, space, (low32(linear) & ~0xfff) >>> 0, ALL_RIGHTS, linear, access)
  const { entryBytes } = PAGING_FORMATS[space.format]
  const fault = (cause: number): Fault => pageFault(space, linear, access, privilege, cause)
  const page = pageNumber(linear)
  let table = space.root
  if (space.format === 'PAE') {
    const pdpte = space.pdptes[low32(linear) >>> 30]!
    if (!has(pdpte, PRESENT)) throw fault(0)
    table = Number(pdpte & TABLE_ADDRESS[8])
  }
  const permissions = { writable: true, user: true, executable: true }
  for (const level of space.levels) {
    const index = Math.floor(page / 2 ** (level.shift - 12)) % 2 ** level.indexBits
    const entryAt = table + index * entryBytes
    const host = structureAddress(memory, space, entryAt, linear, false)
    const entry = entryBytes === 8 ? memory.read64(host) : BigInt(memory.read32(host))
    if (!has(entry, PRESENT)) throw fault(0)
    const isLarge = level.mapsLarge && has(entry, LARGE)
    if (has(entry, isLarge ? level.reservedLarge : level.reserved)) throw fault(ERROR.present | ERROR.reserved)
    permissions.writable &&= has(entry, WRITABLE)
    permissions.user &&= has(entry, USER)
    permissions.executable &&= entryBytes === 4 || !has(entry, NO_EXECUTE)
    const isLeaf = isLarge || level.shift === 12
    const rights = isLeaf ? rightsOf(space, permissions) : 0
    if (isLeaf && (rights & (ACCESS[access] << privilege)) === 0) throw fault(ERROR.present)
    const wanted = entry | ACCESSED | (isLeaf && access === 'write' ? DIRTY : 0n)
    if (wanted !== entry) memory.setPagingBits(structureAddress(memory, space, entryAt, linear, true), entryBytes, wanted, 'guest')
    if (isLeaf) {
      const physical = frameOf(entry, entryBytes, level.shift) + (page % 2 ** (level.shift - 12)) * 4096
      return finalFrame(memory, space, physical, has(wanted, DIRTY) ? rights : rights & ~WRITE_RIGHTS, linear, access)
    }
    table = Number(entry & TABLE_ADDRESS[entryBytes])
  }
  throw new Error('the last level maps a page')
}

const WRITE_RIGHTS =
  (ACCESS.write << PRIVILEGE.supervisor) | (ACCESS.write << PRIVILEGE.user) | (ACCESS.write << PRIVILEGE.supervisorWithAc)

/** Physical address of a page's first byte. A 4-MByte page has bits 39:32 of its address in bits 20:13 (PSE-36). */
function frameOf(entry: bigint, entryBytes: 4 | 8, shift: number): number {
  if (entryBytes === 4 && shift === 22) return ((low32(entry) & 0xffc0_0000) >>> 0) + ((low32(entry) >>> 13) & 0xff) * 2 ** 32
  const bytes = 2 ** shift
  const address = Number(entry & TABLE_ADDRESS[entryBytes])
  return address - (address % bytes)
}

/** Host-physical address of a paging-structure entry, which the walk reads, or sets a flag in. */
function structureAddress(memory: Memory, space: AddressSpace, entryAt: number, linear: bigint, writes: boolean): number {
  const host =
    space.ept === null ? entryAt : eptTranslate(memory, space.ept, entryAt, writes ? 'write' : 'read', { linear, isFinal: false }).address
  memory.markPaging(host, 'guest')
  return host
}

/** The page itself: what EPT allows narrows the rights. */
function finalFrame(memory: Memory, space: AddressSpace, physical: number, rights: number, linear: bigint, access: Access): Translation {
  if (space.ept === null) return { frame: physical, rights }
  const inPage = low32(linear) & 0xfff
  const { address, rights: granted } = eptTranslate(memory, space.ept, physical + inPage, access, { linear, isFinal: true })
  const everyPrivilege = (granted << PRIVILEGE.supervisor) | (granted << PRIVILEGE.user) | (granted << PRIVILEGE.supervisorWithAc)
  return { frame: address - inPage, rights: rights & everyPrivilege }
}
