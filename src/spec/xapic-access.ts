/** What xAPIC mode lets software do with the local APIC's page (Intel SDM, "Local APIC Register Address Map"): the same for silicon and for KVM. */

import { APIC_REGISTERS, type ApicRegisterName } from './apic-registers.ts'
import { WRITABLE_BITS } from './x2apic-access.ts'

/** The page's address at reset. */
export const APIC_DEFAULT_BASE = 0xfee0_0000

/** The register at a byte offset of the page, undefined where there is none. */
export const registerAt: ReadonlyMap<number, ApicRegisterName> = new Map(
  Object.entries(APIC_REGISTERS).flatMap(([name, row]) => {
    const count = 'count' in row ? row.count : 1
    return Array.from({ length: count }, (_, word) => [row.offset + 16 * word, name as ApicRegisterName] as const)
  }),
)

/** Bits that software may set; what it may set here and not by an MSR, or otherwise than there. */
export const XAPIC_WRITABLE: Partial<Readonly<Record<ApicRegisterName, number>>> = {
  ...WRITABLE_BITS,
  APIC_ID: 0xff00_0000,
  APIC_LDR: 0xff00_0000,
  APIC_DFR: 0xf000_0000,
  APIC_ICR2: 0xff00_0000,
}

/** Bits of the destination format register that are always set. */
export const DFR_ONES = 0x0fff_ffff

/** The entries of the local vector table, which are masked while the APIC is software-disabled. */
export const LOCAL_VECTORS: readonly ApicRegisterName[] = [
  'APIC_LVTCMCI',
  'APIC_LVTT',
  'APIC_LVTTHMR',
  'APIC_LVTPC',
  'APIC_LVT0',
  'APIC_LVT1',
  'APIC_LVTERR',
]

/** `size` bytes of a register's 32 bits, from byte `offset` of it. */
export const partOf = (value: number, offset: number, size: number): number => ((value >>> (8 * offset)) & (2 ** (8 * size) - 1)) >>> 0
