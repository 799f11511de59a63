/**
 * Checks on the host state at VM entry, in the SDM's order ("Checks on Host Control Registers, MSRs, and SSP"; "Checks on Host
 * Segment and Descriptor-Table Registers"; "Checks Related to Address-Space Size"). A broken one is VMfailValid 8.
 */

import { isCanonical } from '../address-width.ts'
import { CR4, EFER } from '../cr-bits.ts'
import { areCanonical, given, hasBit, isPat, isWithinPhysicalWidth } from './conditions.ts'
import { controlRegisterFits, eferBits } from './control-registers.ts'
import type { EntryCheck } from './entry-check.ts'

const REGISTERS: readonly EntryCheck[] = [
  { rule: 'host CR0 fits IA32_VMX_CR0_FIXED0 and FIXED1', holds: v => controlRegisterFits(v, 'CR0', v.get('HOST_CR0')) },
  { rule: 'host CR4 fits IA32_VMX_CR4_FIXED0 and FIXED1', holds: v => controlRegisterFits(v, 'CR4', v.get('HOST_CR4')) },
  { rule: 'host CR3 is within the physical-address width', holds: v => isWithinPhysicalWidth(v.get('HOST_CR3')) },
  { rule: 'host SYSENTER ESP and EIP are canonical', holds: areCanonical('HOST_IA32_SYSENTER_ESP', 'HOST_IA32_SYSENTER_EIP') },
  { rule: 'host IA32_PAT holds memory types', holds: given('VM_EXIT_LOAD_IA32_PAT', v => isPat(v.get('HOST_IA32_PAT'))) },
  {
    rule: 'host IA32_EFER has no reserved bit, and LMA and LME are the host address-space size',
    holds: given('VM_EXIT_LOAD_IA32_EFER', v => {
      const efer = v.get('HOST_IA32_EFER')
      const isLong = v.has('VM_EXIT_HOST_ADDR_SPACE_SIZE')
      return (efer & ~eferBits) === 0n && hasBit(efer, EFER.LMA) === isLong && hasBit(efer, EFER.LME) === isLong
    }),
  },
]

const SEGMENTS: readonly EntryCheck[] = [
  {
    rule: 'host selectors have RPL 0 and TI 0',
    holds: v => (['ES', 'CS', 'SS', 'DS', 'FS', 'GS', 'TR'] as const).every(name => (v.number(`HOST_${name}_SELECTOR`) & 7) === 0),
  },
  { rule: 'host CS and TR selectors are not 0', holds: v => v.number('HOST_CS_SELECTOR') !== 0 && v.number('HOST_TR_SELECTOR') !== 0 },
  {
    rule: 'the host SS selector of a 32-bit host is not 0',
    holds: v => v.has('VM_EXIT_HOST_ADDR_SPACE_SIZE') || v.number('HOST_SS_SELECTOR') !== 0,
  },
  {
    rule: 'host FS, GS, TR, GDTR and IDTR bases are canonical',
    holds: areCanonical('HOST_FS_BASE', 'HOST_GS_BASE', 'HOST_GDTR_BASE', 'HOST_IDTR_BASE', 'HOST_TR_BASE'),
  },
]

const HIGH_HALF = 0xffff_ffff_0000_0000n

const ADDRESS_SPACE: readonly EntryCheck[] = [
  {
    rule: 'the host address-space size is 64 bits exactly when the entry is made in IA-32e mode',
    holds: v => v.has('VM_EXIT_HOST_ADDR_SPACE_SIZE') === v.isLongMode(),
  },
  {
    rule: 'a 32-bit host has no IA-32e mode guest',
    holds: v => v.has('VM_EXIT_HOST_ADDR_SPACE_SIZE') || !v.has('VM_ENTRY_IA32E_MODE'),
  },
  {
    rule: 'a 32-bit host has CR4.PCIDE 0 and RIP below 4 GBytes',
    holds: v => v.has('VM_EXIT_HOST_ADDR_SPACE_SIZE') || (!hasBit(v.get('HOST_CR4'), CR4.PCIDE) && (v.get('HOST_RIP') & HIGH_HALF) === 0n),
  },
  { rule: 'a 64-bit host has CR4.PAE 1', holds: given('VM_EXIT_HOST_ADDR_SPACE_SIZE', v => hasBit(v.get('HOST_CR4'), CR4.PAE)) },
  {
    rule: 'the RIP of a 64-bit host is canonical',
    holds: given('VM_EXIT_HOST_ADDR_SPACE_SIZE', v => isCanonical(v.get('HOST_RIP'), hasBit(v.get('HOST_CR4'), CR4.LA57) ? 57 : 48)),
  },
]

export const HOST_CHECKS: readonly EntryCheck[] = [...REGISTERS, ...SEGMENTS, ...ADDRESS_SPACE]
