/**
 * vmcs12's EPT, as KVM walks it for L2 (Linux `arch/x86/kvm/mmu/paging_tmpl.h` with nested EPT; Intel SDM, "EPT Translation
 * Mechanism"; "EPT-Induced VM Exits"). Its tables lie in L1's memory.
 */

import { shiftRight } from '../../base/u64.ts'
import { PHYSICAL_ADDRESS_BITS } from '../../spec/address-width.ts'
import { MSRS } from '../../spec/msrs.ts'
import type { Context } from '../context.ts'
import { hostAddress } from '../mmu.ts'
import { readVmcs12, vmcs12Has } from './vmcs12.ts'

export const EPT_READ = 1n
export const EPT_WRITE = 2n
export const EPT_EXECUTE = 4n
const RWX = 7n
const LARGE = 0x80n
const ACCESSED = 0x100n
const DIRTY = 0x200n
const ADDRESS = 0x000f_ffff_ffff_f000n
const BEYOND_WIDTH = ADDRESS & ~((1n << BigInt(PHYSICAL_ADDRESS_BITS)) - 1n)
const EPTP_ACCESSED_DIRTY = 0x40n

export type EptWalk =
  | { readonly kind: 'mapped'; readonly physical: number; readonly rights: bigint }
  /** What EPT allows: bits 2:0. */
  | { readonly kind: 'violation'; readonly rights: bigint }
  | { readonly kind: 'misconfiguration' }

/** Whether L2's guest-physical addresses go through an EPT of L1's. */
export const hasNestedEpt = (c: Context): boolean => c.vcpu.nested.guestMode && vmcs12Has(c, 'SECONDARY_EXEC_ENABLE_EPT')

/** Execute-only pages exist where the capability says so. */
function isMisconfigured(c: Context, entry: bigint, level: number, isLeaf: boolean): boolean {
  const rights = entry & RWX
  const executeOnly = (c.vcpu.nested.msrs[MSRS.MSR_IA32_VMX_EPT_VPID_CAP.index]! & 1n) !== 0n
  if ((rights & (EPT_READ | EPT_WRITE)) === EPT_WRITE || (rights === EPT_EXECUTE && !executeOnly)) return true
  if ((entry & BEYOND_WIDTH) !== 0n) return true
  if (!isLeaf) return (entry & (level === 3 ? 0xf8n : 0x78n)) !== 0n
  const type = Number(shiftRight(entry, 3) & 7n)
  const lowAddress = ADDRESS & ((1n << BigInt(12 + 9 * level)) - 1n)
  return type === 2 || type === 3 || type === 7 || (entry & lowAddress) !== 0n
}

/** Walks for an access with the given rights, setting accessed and dirty flags where the EPT pointer enables them. */
export function walkEpt12(c: Context, guestPhysical: number, wanted: bigint): EptWalk {
  const { memory } = c.cpu
  const pointer = readVmcs12(c, 'EPT_POINTER')
  const flags = (pointer & EPTP_ACCESSED_DIRTY) !== 0n
  const visited: { host: number; entry: bigint }[] = []
  let table = Number(pointer & ADDRESS)
  let rights = RWX
  if (guestPhysical >= 2 ** 48) return { kind: 'violation', rights: 0n }
  for (let level = 3; ; level--) {
    const index = Math.floor(guestPhysical / 2 ** (12 + 9 * level)) % 512
    const host = hostAddress(c.vm, table + index * 8)
    const entry = host < 0 ? 0xffff_ffff_ffff_ffffn : memory.read64(host)
    if ((entry & RWX) === 0n) return { kind: 'violation', rights: 0n }
    const isLeaf = level === 0 || (level < 3 && (entry & LARGE) !== 0n)
    if (isMisconfigured(c, entry, level, isLeaf)) return { kind: 'misconfiguration' }
    rights &= entry
    if (host >= 0) visited.push({ host, entry })
    if (!isLeaf) {
      table = Number(entry & ADDRESS)
      continue
    }
    if ((wanted & ~rights) !== 0n) return { kind: 'violation', rights }
    if (flags) setFlags(c, visited, (wanted & EPT_WRITE) !== 0n)
    // Without the dirty flag a later write must be seen, to set it.
    const isClean = flags && (wanted & EPT_WRITE) === 0n && (entry & DIRTY) === 0n
    const size = 2 ** (12 + 9 * level)
    const physical = Number(entry & ADDRESS) + (guestPhysical % size)
    return { kind: 'mapped', physical, rights: isClean ? rights & ~EPT_WRITE : rights }
  }
}

function setFlags({ cpu }: Context, visited: readonly { host: number; entry: bigint }[], written: boolean): void {
  for (const [position, { host, entry }] of visited.entries()) {
    const isLast = position === visited.length - 1
    const flagged = entry | ACCESSED | (isLast && written ? DIRTY : 0n)
    if (flagged !== entry) cpu.memory.write64(host, flagged)
  }
}

/** L1's guest-physical address for one of the guest that runs; -1 where L1's EPT does not let it be read. */
export function translateNested(c: Context, guestPhysical: number): number {
  if (!hasNestedEpt(c)) return guestPhysical
  const found = walkEpt12(c, guestPhysical, EPT_READ)
  return found.kind === 'mapped' ? found.physical : -1
}
