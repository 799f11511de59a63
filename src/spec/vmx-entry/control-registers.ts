/** Which values CR0, CR4 and IA32_EFER may have in VMX operation (SDM, "Restrictions on VMX Operation"). */

import { CR0, EFER } from '../cr-bits.ts'
import type { EntryState } from './entry-check.ts'

const bitOf = (position: number): bigint => 1n << BigInt(position)

/** Bits that IA32_EFER has. */
export const eferBits = bitOf(EFER.SCE) | bitOf(EFER.LME) | bitOf(EFER.LMA) | bitOf(EFER.NX)

/** VM entries and exits leave these as they are, so nobody looks at them. */
const NEVER_CHECKED = { CR0: bitOf(CR0.NW) | bitOf(CR0.CD), CR4: 0n } as const

/** A control register against its FIXED0 and FIXED1 MSRs; `free` bits may have any value. */
export function controlRegisterFits(v: EntryState, name: 'CR0' | 'CR4', value: bigint, free = 0n): boolean {
  const mustBeOne = v.capability(`MSR_IA32_VMX_${name}_FIXED0`) & ~free
  const mayBeOne = v.capability(`MSR_IA32_VMX_${name}_FIXED1`) | free
  return (value & mustBeOne) === mustBeOne && (value & ~NEVER_CHECKED[name] & ~mayBeOne) === 0n
}

/** An unrestricted guest may run without protection and without paging. */
export const UNRESTRICTED_CR0 = bitOf(CR0.PE) | bitOf(CR0.PG)
