/**
 * Guest-physical to host-physical addresses (Intel SDM, "The Extended Page Table Mechanism (EPT)"): the walk, violations and
 * misconfigurations, accessed and dirty flags, and the page-modification log.
 *
 *     entry: 2:0 read, write, execute   5:3 memory type   7 maps a page   8 accessed   9 dirty   51:12 address
 */

import { PHYSICAL_ADDRESS_BITS } from '../../spec/address-width.ts'
import { VmExit } from '../cpu/faults.ts'
import type { Memory } from '../memory.ts'
import { readNumber, writeField } from './vmcs.ts'

/** What an EPT walk depends on besides memory. */
export interface EptContext {
  readonly root: number
  /** EPT pointer bit 6: accessed and dirty flags are kept. */
  readonly keepsFlags: boolean
  /** The VMCS with the page-modification log, -1 when it is off. */
  readonly logVmcs: number
}

/** Why a guest-physical address is used: for a linear one, as its final translation or for an entry on the way; null: PDPTEs, by MOV CR. */
export type EptOrigin = { readonly linear: bigint; readonly isFinal: boolean } | null

export interface EptTranslation {
  /** Host-physical address of the byte. */
  readonly address: number
  /** Rights that may be remembered: 1 read, 2 write, 4 execute. */
  readonly rights: number
}

type EptAccess = 'read' | 'write' | 'execute'

const READ = 1n
const WRITE = 2n
const EXECUTE = 4n
const RIGHTS = READ | WRITE | EXECUTE
const LARGE = 0x80n
const ACCESSED = 0x100n
const DIRTY = 0x200n
const ADDRESS = 0x000f_ffff_ffff_f000n
const RESERVED_ADDRESS = ADDRESS & ~((1n << BigInt(PHYSICAL_ADDRESS_BITS)) - 1n)
const NEEDED = { read: READ, write: WRITE, execute: EXECUTE } as const

/** Bits of the qualification of an EPT violation. */
const QUALIFICATION = { linearValid: 1n << 7n, finalAccess: 1n << 8n } as const

/** Levels from the root down: log2 of what an entry maps, and whether it may map a page. */
const LEVELS = [
  { shift: 39, mapsLarge: false },
  { shift: 30, mapsLarge: true },
  { shift: 21, mapsLarge: true },
  { shift: 12, mapsLarge: false },
] as const

/** Host-physical address of a guest-physical one; throws the exit where EPT does not allow the access. */
export function eptTranslate(memory: Memory, ept: EptContext, guestPhysical: number, access: EptAccess, origin: EptOrigin): EptTranslation {
  // With accessed and dirty flags, reads of the guest's paging structures count as writes.
  const structureAsWrite = ept.keepsFlags && (origin === null || !origin.isFinal)
  const needed = structureAsWrite ? WRITE : NEEDED[access]
  const tried = structureAsWrite ? READ | WRITE : NEEDED[access]
  let table = ept.root
  let rights = RIGHTS
  for (const { shift, mapsLarge } of LEVELS) {
    const entryAt = table + (Math.floor(guestPhysical / 2 ** shift) % 512) * 8
    memory.markPaging(entryAt, 'ept')
    const entry = memory.read64(entryAt)
    rights &= entry
    if ((entry & RIGHTS) === 0n) throw violation(guestPhysical, tried, 0n, origin)
    const isLeaf = shift === 12 || (mapsLarge && (entry & LARGE) !== 0n)
    if (isMisconfigured(entry, shift, isLeaf)) throw new VmExit('EXIT_REASON_EPT_MISCONFIG', { guestPhysical })
    if (!isLeaf) {
      if (ept.keepsFlags && (entry & ACCESSED) === 0n) memory.setPagingBits(entryAt, 8, entry | ACCESSED, 'ept')
      table = Number(entry & ADDRESS)
      continue
    }
    if ((rights & needed) === 0n) throw violation(guestPhysical, tried, rights, origin)
    const isDirty = ept.keepsFlags ? keepFlags(memory, ept, entryAt, entry, guestPhysical, needed === WRITE) : true
    const bytes = 2 ** shift
    const page = Number(entry & ADDRESS)
    return {
      address: page - (page % bytes) + (guestPhysical % bytes),
      rights: Number(isDirty ? rights : rights & ~WRITE),
    }
  }
  throw new Error('the last level maps a page')
}

/** Sets the flags of the entry that maps the page, and logs the page when it becomes dirty; whether it is dirty now. */
function keepFlags(memory: Memory, ept: EptContext, entryAt: number, entry: bigint, guestPhysical: number, writes: boolean): boolean {
  const wanted = entry | ACCESSED | (writes ? DIRTY : 0n)
  if (wanted === entry) return (entry & DIRTY) !== 0n
  if (writes && (entry & DIRTY) === 0n && ept.logVmcs >= 0) logPage(memory, ept.logVmcs, guestPhysical)
  memory.setPagingBits(entryAt, 8, wanted, 'ept')
  return (wanted & DIRTY) !== 0n
}

const LOG_ENTRIES = 512

/** SDM, "Page-Modification Logging": a full log exits before the access, and the dirty flag stays clear. */
function logPage(memory: Memory, vmcs: number, guestPhysical: number): void {
  const index = readNumber(memory, vmcs, 'GUEST_PML_INDEX')
  if (index >= LOG_ENTRIES) throw new VmExit('EXIT_REASON_PML_FULL')
  memory.write64(readNumber(memory, vmcs, 'PML_ADDRESS') + index * 8, BigInt(guestPhysical - (guestPhysical % 4096)))
  writeField(memory, vmcs, 'GUEST_PML_INDEX', (index - 1) & 0xffff)
}

const MEMORY_TYPES: ReadonlySet<bigint> = new Set([0n, 1n, 4n, 5n, 6n])

/** SDM, "EPT Misconfigurations": writable and not readable, a reserved bit, or a reserved memory type. Execute-only is supported. */
function isMisconfigured(entry: bigint, shift: number, isLeaf: boolean): boolean {
  if ((entry & (READ | WRITE)) === WRITE || (entry & RESERVED_ADDRESS) !== 0n) return true
  if (!isLeaf) return (entry & (shift === 39 ? 0xf8n : 0x78n)) !== 0n
  const inPage = BigInt(2 ** shift) - 0x1000n
  return (entry & inPage) !== 0n || !MEMORY_TYPES.has((entry & 0x38n) / 8n)
}

/** Qualification: what was tried (2:0), what EPT allowed (5:3), a linear address led here (7), and it was its final access (8). */
function violation(guestPhysical: number, tried: bigint, rights: bigint, origin: EptOrigin): VmExit {
  const kind = origin === null ? 0n : QUALIFICATION.linearValid | (origin.isFinal ? QUALIFICATION.finalAccess : 0n)
  return new VmExit('EXIT_REASON_EPT_VIOLATION', {
    qualification: tried | (rights << 3n) | kind,
    guestPhysical,
    ...(origin === null ? {} : { guestLinear: origin.linear }),
  })
}
