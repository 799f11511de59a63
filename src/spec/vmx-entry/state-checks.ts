/**
 * Checks on host and guest state at VM entry, in the SDM's order ("Checks on Host Control Registers, MSRs and SSP" and on;
 * "Checks on the Guest State Area"). Host: VMfailValid 8. Guest: a VM exit with reason 33. This CPU has no 32-bit hosts and no
 * guests outside IA-32e mode; both are refused here by name.
 */

import { isCanonical, PHYSICAL_ADDRESS_BITS } from '../address-width.ts'
import { CR0, CR4, EFER } from '../cr-bits.ts'
import type { VmcsFieldName } from '../vmcs-fields.ts'
import { BLOCKING } from '../vmcs-fields.ts'
import type { EntryCheck, EntryState } from './entry-check.ts'

const bitOf = (position: number): bigint => 1n << BigInt(position)
const has = (word: bigint, position: number): boolean => (word & bitOf(position)) !== 0n

/** A control register against its FIXED0 and FIXED1 MSRs. */
const fits = (v: EntryState, value: bigint, name: 'CR0' | 'CR4'): boolean => {
  const one = v.capability(`MSR_IA32_VMX_${name}_FIXED0`)
  const may = v.capability(`MSR_IA32_VMX_${name}_FIXED1`)
  return (value & one) === one && (value & ~may) === 0n
}

const everyCanonical =
  (...fields: VmcsFieldName[]) =>
  (v: EntryState): boolean =>
    fields.every(field => isCanonical(v.get(field)))

const EFER_BITS = bitOf(EFER.SCE) | bitOf(EFER.LME) | bitOf(EFER.LMA) | bitOf(EFER.NX)

export const HOST_CHECKS: readonly EntryCheck[] = [
  { rule: 'host CR0 fits IA32_VMX_CR0_FIXED0 and FIXED1', holds: v => fits(v, v.get('HOST_CR0'), 'CR0') },
  { rule: 'host CR4 fits IA32_VMX_CR4_FIXED0 and FIXED1', holds: v => fits(v, v.get('HOST_CR4'), 'CR4') },
  { rule: 'host CR3 is within the physical-address width', holds: v => v.get('HOST_CR3') >> BigInt(PHYSICAL_ADDRESS_BITS) === 0n },
  { rule: 'host SYSENTER ESP and EIP are canonical', holds: everyCanonical('HOST_IA32_SYSENTER_ESP', 'HOST_IA32_SYSENTER_EIP') },
  {
    rule: 'host IA32_EFER has no reserved bit and LMA = LME = 1',
    holds: v =>
      !v.has('VM_EXIT_LOAD_IA32_EFER') ||
      ((v.get('HOST_IA32_EFER') & ~EFER_BITS) === 0n && has(v.get('HOST_IA32_EFER'), EFER.LMA) && has(v.get('HOST_IA32_EFER'), EFER.LME)),
  },
  {
    rule: 'host selectors have RPL 0 and TI 0',
    holds: v => (['ES', 'CS', 'SS', 'DS', 'FS', 'GS', 'TR'] as const).every(name => (v.number(`HOST_${name}_SELECTOR`) & 7) === 0),
  },
  { rule: 'host CS and TR selectors are not 0', holds: v => v.number('HOST_CS_SELECTOR') !== 0 && v.number('HOST_TR_SELECTOR') !== 0 },
  {
    rule: 'host FS, GS, TR, GDTR and IDTR bases are canonical',
    holds: everyCanonical('HOST_FS_BASE', 'HOST_GS_BASE', 'HOST_TR_BASE', 'HOST_GDTR_BASE', 'HOST_IDTR_BASE'),
  },
  { rule: 'the host address-space size is 64 bits', holds: v => v.has('VM_EXIT_HOST_ADDR_SPACE_SIZE') },
  { rule: 'host CR4.PAE is 1', holds: v => has(v.get('HOST_CR4'), CR4.PAE) },
  { rule: 'host RIP is canonical', holds: everyCanonical('HOST_RIP') },
]

const rights = (v: EntryState, name: 'CS' | 'SS' | 'TR' | 'LDTR'): number => v.number(`GUEST_${name}_AR_BYTES`)
const isUsable = (accessRights: number): boolean => (accessRights & 0x10000) === 0

const REGISTERS: readonly EntryCheck[] = [
  { rule: 'guest CR0 fits IA32_VMX_CR0_FIXED0 and FIXED1', holds: v => fits(v, v.get('GUEST_CR0'), 'CR0') },
  { rule: 'guest CR0.PG needs CR0.PE', holds: v => !has(v.get('GUEST_CR0'), CR0.PG) || has(v.get('GUEST_CR0'), CR0.PE) },
  { rule: 'guest CR4 fits IA32_VMX_CR4_FIXED0 and FIXED1', holds: v => fits(v, v.get('GUEST_CR4'), 'CR4') },
  { rule: 'the guest is in IA-32e mode', holds: v => v.has('VM_ENTRY_IA32E_MODE') },
  { rule: 'IA-32e mode needs guest CR0.PG and CR4.PAE', holds: v => has(v.get('GUEST_CR0'), CR0.PG) && has(v.get('GUEST_CR4'), CR4.PAE) },
  { rule: 'guest CR3 is within the physical-address width', holds: v => v.get('GUEST_CR3') >> BigInt(PHYSICAL_ADDRESS_BITS) === 0n },
  { rule: 'guest SYSENTER ESP and EIP are canonical', holds: everyCanonical('GUEST_SYSENTER_ESP', 'GUEST_SYSENTER_EIP') },
  {
    rule: 'guest IA32_EFER has no reserved bit, and LMA is the IA-32e mode control and LME',
    holds: v =>
      !v.has('VM_ENTRY_LOAD_IA32_EFER') ||
      ((v.get('GUEST_IA32_EFER') & ~EFER_BITS) === 0n &&
        has(v.get('GUEST_IA32_EFER'), EFER.LMA) &&
        has(v.get('GUEST_IA32_EFER'), EFER.LME)),
  },
]

const SEGMENTS: readonly EntryCheck[] = [
  { rule: 'the guest TR selector has TI 0', holds: v => (v.number('GUEST_TR_SELECTOR') & 4) === 0 },
  {
    rule: 'guest TR, FS and GS bases, and a usable LDTR base, are canonical',
    holds: v =>
      everyCanonical('GUEST_TR_BASE', 'GUEST_FS_BASE', 'GUEST_GS_BASE')(v) &&
      (!isUsable(rights(v, 'LDTR')) || isCanonical(v.get('GUEST_LDTR_BASE'))),
  },
  { rule: 'the guest CS is an accessed, present code segment', holds: v => (rights(v, 'CS') & 0x10099) === 0x99 },
  { rule: 'the guest CS is a 64-bit code segment', holds: v => (rights(v, 'CS') & 0x6000) === 0x2000 },
  { rule: 'reserved bits of the guest CS access rights are 0', holds: v => (rights(v, 'CS') & ~0x1f0ff) === 0 },
  {
    rule: 'guest SS and CS have the same DPL',
    holds: v => ((rights(v, 'SS') ^ rights(v, 'CS')) & 0x60) === 0 || (rights(v, 'CS') & 4) !== 0,
  },
  { rule: 'the guest TR is a busy 64-bit TSS', holds: v => (rights(v, 'TR') & 0x1009f) === 0x8b },
  {
    rule: 'a usable guest LDTR is an LDT',
    holds: v => !isUsable(rights(v, 'LDTR')) || (rights(v, 'LDTR') & 0x9f) === 0x82,
  },
  { rule: 'guest GDTR and IDTR bases are canonical', holds: everyCanonical('GUEST_GDTR_BASE', 'GUEST_IDTR_BASE') },
  {
    rule: 'bits 31:16 of the guest GDTR and IDTR limits are 0',
    holds: v => v.number('GUEST_GDTR_LIMIT') < 0x10000 && v.number('GUEST_IDTR_LIMIT') < 0x10000,
  },
]

const IF = 9
const isInjecting = (v: EntryState, type: number): boolean => {
  const information = v.number('VM_ENTRY_INTR_INFO_FIELD')
  return information >>> 31 === 1 && ((information >>> 8) & 7) === type
}

const NON_REGISTER: readonly EntryCheck[] = [
  { rule: 'guest RIP is canonical', holds: everyCanonical('GUEST_RIP') },
  {
    rule: 'guest RFLAGS has its reserved bits right and VM 0 in IA-32e mode',
    holds: v => (v.get('GUEST_RFLAGS') & ~0x3d_7fd5n) === 2n,
  },
  { rule: 'an injected external interrupt needs RFLAGS.IF', holds: v => !isInjecting(v, 0) || has(v.get('GUEST_RFLAGS'), IF) },
  { rule: 'the activity state is active or HLT', holds: v => v.number('GUEST_ACTIVITY_STATE') <= 1 },
  {
    rule: 'STI or MOV-SS blocking needs the active state',
    holds: v => v.number('GUEST_ACTIVITY_STATE') === 0 || (v.number('GUEST_INTERRUPTIBILITY_INFO') & (BLOCKING.sti | BLOCKING.movSs)) === 0,
  },
  {
    rule: 'the interruptibility state has only STI, MOV-SS and NMI blocking',
    holds: v => (v.number('GUEST_INTERRUPTIBILITY_INFO') & ~0xb) === 0,
  },
  {
    rule: 'not both STI and MOV-SS blocking',
    holds: v => (v.number('GUEST_INTERRUPTIBILITY_INFO') & 3) !== 3,
  },
  {
    rule: 'STI blocking needs RFLAGS.IF',
    holds: v => (v.number('GUEST_INTERRUPTIBILITY_INFO') & 1) === 0 || has(v.get('GUEST_RFLAGS'), IF),
  },
  {
    rule: 'no STI or MOV-SS blocking with an injected external interrupt',
    holds: v => !isInjecting(v, 0) || (v.number('GUEST_INTERRUPTIBILITY_INFO') & 3) === 0,
  },
  { rule: 'the VMCS link pointer is all ones', holds: v => v.get('VMCS_LINK_POINTER') === 0xffff_ffff_ffff_ffffn },
]

export const GUEST_CHECKS: readonly EntryCheck[] = [...REGISTERS, ...SEGMENTS, ...NON_REGISTER]
