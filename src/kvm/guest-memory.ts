/**
 * Memory of the guest, by guest-physical and by linear address. A guest-physical address of L1 is looked up in the memory slots; one
 * of L2 goes through vmcs12's EPT first. Where there is no memory reads give all ones and writes are dropped, as on the bus.
 */

import { shiftRight } from '../base/u64.ts'
import { CR0, CR4, EFER } from '../spec/cr-bits.ts'
import type { Context } from './context.ts'
import { readCr0, readCr4 } from './control-registers.ts'
import { hostAddress } from './mmu.ts'
import { translateNested } from './nested/ept-walk.ts'

/** Of L1's physical memory. */
export function readPhysical64({ cpu, vm }: Context, address: number): bigint {
  const host = hostAddress(vm, address)
  return host < 0 ? 0xffff_ffff_ffff_ffffn : cpu.memory.read64(host)
}

export function readPhysical32({ cpu, vm }: Context, address: number): number {
  const host = hostAddress(vm, address)
  return host < 0 ? 0xffff_ffff : cpu.memory.read32(host)
}

export function writePhysical64({ cpu, vm }: Context, address: number, value: bigint): void {
  const host = hostAddress(vm, address)
  if (host >= 0) cpu.memory.write64(host, value)
}

export function writePhysical32({ cpu, vm }: Context, address: number, value: number): void {
  const host = hostAddress(vm, address)
  if (host >= 0) cpu.memory.write32(host, value)
}

export type GuestAccess = 'read' | 'write'

/**
 * Where a linear address leads: a host address (-1 where there is no memory) and L1's physical one (-1 where L1 has mapped none for L2), or the
 * error code of the page fault.
 */
export type Translation =
  | { readonly kind: 'host'; readonly address: number; readonly physical: number }
  | { readonly kind: 'fault'; readonly errorCode: number }

const PRESENT = 1n
const WRITABLE = 2n
const USER = 4n
const LARGE = 0x80n
const ADDRESS = 0x000f_ffff_ffff_f000n
const FAULT = { present: 1, write: 2, user: 4 } as const
const CPL_SHIFT = 5

const has = (word: bigint, position: number): boolean => (word & (1n << BigInt(position))) !== 0n

/** Host address of a guest-physical one of the guest that runs. */
function hostOf(c: Context, physical: number): number {
  const ofL1 = translateNested(c, physical)
  return ofL1 < 0 ? -1 : hostAddress(c.vm, ofL1)
}

function placeOf(c: Context, physical: number): Translation {
  const ofL1 = translateNested(c, physical)
  return { kind: 'host', physical: ofL1, address: ofL1 < 0 ? -1 : hostAddress(c.vm, ofL1) }
}

interface Format {
  readonly levels: number
  readonly indexBits: number
  readonly entryBytes: 4 | 8
}

function formatOf(c: Context): Format | null {
  if (!has(readCr0(c), CR0.PG)) return null
  const cr4 = readCr4(c)
  if (!has(cr4, CR4.PAE)) return { levels: 2, indexBits: 10, entryBytes: 4 }
  if (!has(c.vcpu.efer, EFER.LMA)) return { levels: 3, indexBits: 9, entryBytes: 8 }
  return { levels: has(cr4, CR4.LA57) ? 5 : 4, indexBits: 9, entryBytes: 8 }
}

function readEntry(c: Context, physical: number, { entryBytes }: Format): bigint {
  const host = hostOf(c, physical)
  if (host < 0) return 0n
  return entryBytes === 8 ? c.cpu.memory.read64(host) : BigInt(c.cpu.memory.read32(host))
}

/** Follows the guest's page tables with the rights of its present privilege level. */
export function translateLinear(c: Context, linear: bigint, access: GuestAccess): Translation {
  const format = formatOf(c)
  if (format === null) return placeOf(c, Number(BigInt.asUintN(32, linear)))
  const user = ((Number(c.cpu.vmread('GUEST_SS_AR_BYTES')) >> CPL_SHIFT) & 3) === 3
  const wrong = (present: number): Translation => ({
    kind: 'fault',
    errorCode: present | (access === 'write' ? FAULT.write : 0) | (user ? FAULT.user : 0),
  })
  const { levels, indexBits, entryBytes } = format
  const cr3 = c.cpu.vmread('GUEST_CR3')
  let table = Number(levels === 3 ? cr3 & 0xffff_ffe0n : cr3 & ADDRESS)
  let rights = WRITABLE | USER
  for (let level = levels - 1; ; level--) {
    const shift = 12 + indexBits * level
    const index = Number(shiftRight(BigInt.asUintN(57, linear), shift) & ((1n << BigInt(indexBits)) - 1n))
    const entry = readEntry(c, table + (level === 2 && levels === 3 ? index & 3 : index) * entryBytes, format)
    if ((entry & PRESENT) === 0n) return wrong(0)
    if (!(levels === 3 && level === 2)) rights &= entry
    if (level > 0 && (entry & LARGE) === 0n) {
      table = Number(entry & ADDRESS)
      continue
    }
    const mayWrite = (rights & WRITABLE) !== 0n || (!user && !has(readCr0(c), CR0.WP))
    if ((user && (rights & USER) === 0n) || (access === 'write' && !mayWrite)) return wrong(FAULT.present)
    const offsetMask = (1n << BigInt(shift)) - 1n
    return placeOf(c, Number((entry & ADDRESS & ~offsetMask) | (linear & offsetMask)))
  }
}

/** One byte of guest memory at a linear address, -1 where there is none. */
export function readGuestByte(c: Context, linear: bigint): number {
  const found = translateLinear(c, linear, 'read')
  return found.kind === 'fault' || found.address < 0 ? -1 : c.cpu.memory.read8(found.address)
}

export function writeGuestByte(c: Context, linear: bigint, value: number): boolean {
  const found = translateLinear(c, linear, 'write')
  if (found.kind === 'fault' || found.address < 0) return false
  c.cpu.memory.write8(found.address, value)
  return true
}
