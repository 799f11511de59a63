/**
 * Checks on the guest's control and debug registers and MSRs, its descriptor tables, RIP and RFLAGS, in the SDM's order ("Checks on
 * Guest Control Registers, Debug Registers, and MSRs"; "Checks on Guest Descriptor-Table Registers"; "Checks on Guest RIP, RFLAGS,
 * and SSP"). A broken one is a VM exit with reason 33.
 */

import { bit } from '../../base/bits.ts'
import { CR0, CR4, EFER } from '../cr-bits.ts'
import { RFLAGS } from '../rflags.ts'
import { areCanonical, given, hasBit, INJECTION, injected, isPat, isWithinPhysicalWidth } from './conditions.ts'
import { controlRegisterFits, eferBits, UNRESTRICTED_CR0 } from './control-registers.ts'
import type { EntryCheck, EntryState } from './entry-check.ts'

const cr0Has = (v: EntryState, name: keyof typeof CR0): boolean => hasBit(v.get('GUEST_CR0'), CR0[name])
const cr4Has = (v: EntryState, name: keyof typeof CR4): boolean => hasBit(v.get('GUEST_CR4'), CR4[name])

const HIGH_HALF = 0xffff_ffff_0000_0000n

/** IA32_DEBUGCTL: no bit of it is implemented, so each is reserved. */
const DEBUGCTL_RESERVED = 0xffff_ffff_ffff_ffffn

export const GUEST_CONTROL_REGISTER_CHECKS: readonly EntryCheck[] = [
  {
    rule: 'guest CR0 fits IA32_VMX_CR0_FIXED0 and FIXED1',
    holds: v => controlRegisterFits(v, 'CR0', v.get('GUEST_CR0'), v.has('SECONDARY_EXEC_UNRESTRICTED_GUEST') ? UNRESTRICTED_CR0 : 0n),
  },
  { rule: 'guest CR0.PG needs CR0.PE', holds: v => !cr0Has(v, 'PG') || cr0Has(v, 'PE') },
  { rule: 'guest CR4 fits IA32_VMX_CR4_FIXED0 and FIXED1', holds: v => controlRegisterFits(v, 'CR4', v.get('GUEST_CR4')) },
  {
    rule: 'with the debug controls loaded, reserved bits of guest IA32_DEBUGCTL are 0',
    holds: given('VM_ENTRY_LOAD_DEBUG_CONTROLS', v => (v.get('GUEST_IA32_DEBUGCTL') & DEBUGCTL_RESERVED) === 0n),
  },
  { rule: 'IA-32e mode needs guest CR0.PG and CR4.PAE', holds: given('VM_ENTRY_IA32E_MODE', v => cr0Has(v, 'PG') && cr4Has(v, 'PAE')) },
  { rule: 'outside IA-32e mode guest CR4.PCIDE is 0', holds: v => v.has('VM_ENTRY_IA32E_MODE') || !cr4Has(v, 'PCIDE') },
  { rule: 'guest CR3 is within the physical-address width', holds: v => isWithinPhysicalWidth(v.get('GUEST_CR3')) },
  {
    rule: 'with the debug controls loaded, bits 63:32 of guest DR7 are 0',
    holds: given('VM_ENTRY_LOAD_DEBUG_CONTROLS', v => (v.get('GUEST_DR7') & HIGH_HALF) === 0n),
  },
  { rule: 'guest SYSENTER ESP and EIP are canonical', holds: areCanonical('GUEST_SYSENTER_ESP', 'GUEST_SYSENTER_EIP') },
  { rule: 'guest IA32_PAT holds memory types', holds: given('VM_ENTRY_LOAD_IA32_PAT', v => isPat(v.get('GUEST_IA32_PAT'))) },
  {
    rule: 'guest IA32_EFER has no reserved bit, LMA is the IA-32e mode control, and with paging LME is LMA',
    holds: given('VM_ENTRY_LOAD_IA32_EFER', v => {
      const efer = v.get('GUEST_IA32_EFER')
      const active = hasBit(efer, EFER.LMA)
      const fits = active === v.has('VM_ENTRY_IA32E_MODE') && (!cr0Has(v, 'PG') || active === hasBit(efer, EFER.LME))
      return (efer & ~eferBits) === 0n && fits
    }),
  },
]

export const GUEST_TABLE_CHECKS: readonly EntryCheck[] = [
  { rule: 'guest GDTR and IDTR bases are canonical', holds: areCanonical('GUEST_GDTR_BASE', 'GUEST_IDTR_BASE') },
  {
    rule: 'bits 31:16 of the guest GDTR and IDTR limits are 0',
    holds: v => v.number('GUEST_GDTR_LIMIT') < 0x1_0000 && v.number('GUEST_IDTR_LIMIT') < 0x1_0000,
  },
]

const CODE_L = 13
const RFLAGS_DEFINED = 0x3f_7fd7n

/** 64-bit code: bits from the widest linear address up are alike. That one bit more than canonical is allowed is the SDM's rule. */
function ripFits(v: EntryState): boolean {
  const rip = v.get('GUEST_RIP')
  if (!v.has('VM_ENTRY_IA32E_MODE') || !bit(v.number('GUEST_CS_AR_BYTES'), CODE_L)) return (rip & HIGH_HALF) === 0n
  const above = rip >> BigInt(v.linearBits)
  return above === 0n || above === (1n << BigInt(64 - v.linearBits)) - 1n
}

const flag = (v: EntryState, name: keyof typeof RFLAGS): boolean => hasBit(v.get('GUEST_RFLAGS'), RFLAGS[name])

export const GUEST_RIP_AND_RFLAGS_CHECKS: readonly EntryCheck[] = [
  { rule: 'guest RIP fits the code segment and the linear-address width', holds: ripFits },
  {
    rule: 'reserved bits of guest RFLAGS are 0, and bit 1 is 1',
    holds: v => (v.get('GUEST_RFLAGS') & ~RFLAGS_DEFINED) === 0n && hasBit(v.get('GUEST_RFLAGS'), 1),
  },
  {
    rule: 'guest RFLAGS.VM is 0 in IA-32e mode and in real mode',
    holds: v => !v.isVirtual8086() || (!v.has('VM_ENTRY_IA32E_MODE') && cr0Has(v, 'PE')),
  },
  { rule: 'an injected external interrupt needs RFLAGS.IF', holds: v => injected(v)?.type !== INJECTION.external || flag(v, 'IF') },
]
