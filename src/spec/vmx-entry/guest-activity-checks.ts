/**
 * Checks on what the guest state says besides registers, in the SDM's order ("Checks on Guest Non-Register State"; "Checks on Guest
 * Page-Directory-Pointer-Table Entries"). A broken one is a VM exit with reason 33, some with a qualification of their own.
 */

import { PHYSICAL_ADDRESS_BITS } from '../address-width.ts'
import { CR0, CR4 } from '../cr-bits.ts'
import { RFLAGS } from '../rflags.ts'
import { BLOCKING } from '../vmcs-fields.ts'
import { arePages, given, hasBit, INJECTION, injected } from './conditions.ts'
import type { EntryCheck, EntryState } from './entry-check.ts'

const ACTIVITY = { active: 0, hlt: 1, shutdown: 2, waitForSipi: 3 } as const

/** IA32_VMX_MISC bits 8:6 say which of the inactive states the processor supports. */
function isSupported(v: EntryState, activity: number): boolean {
  if (activity === ACTIVITY.active) return true
  return activity <= ACTIVITY.waitForSipi && hasBit(v.capability('MSR_IA32_VMX_MISC'), 5 + activity)
}

const DB = 1
const MC = 18

/** Whether the event would be delivered to a processor in this activity state. */
function isDeliverable(v: EntryState, activity: number): boolean {
  const event = injected(v)
  if (event === null || activity === ACTIVITY.active) return true
  if (activity === ACTIVITY.waitForSipi) return false
  const isMachineCheck = event.type === INJECTION.hardware && event.vector === MC
  if (event.type === INJECTION.nmi || isMachineCheck) return true
  if (activity === ACTIVITY.shutdown) return false
  return event.type === INJECTION.external || event.type === INJECTION.other || (event.type === INJECTION.hardware && event.vector === DB)
}

const blocks = (v: EntryState, mask: number): boolean => (v.number('GUEST_INTERRUPTIBILITY_INFO') & mask) !== 0
const isInjecting = (v: EntryState, type: number): boolean => injected(v)?.type === type
const flag = (v: EntryState, name: 'IF' | 'TF'): boolean => hasBit(v.get('GUEST_RFLAGS'), RFLAGS[name])

const ACTIVITY_CHECKS: readonly EntryCheck[] = [
  { rule: 'the activity state is one that the processor supports', holds: v => isSupported(v, v.number('GUEST_ACTIVITY_STATE')) },
  {
    rule: 'HLT needs a guest SS with DPL 0',
    holds: v => v.number('GUEST_ACTIVITY_STATE') !== ACTIVITY.hlt || ((v.number('GUEST_SS_AR_BYTES') >>> 5) & 3) === 0,
  },
  {
    rule: 'STI or MOV-SS blocking needs the active state',
    holds: v => !blocks(v, BLOCKING.sti | BLOCKING.movSs) || v.number('GUEST_ACTIVITY_STATE') === ACTIVITY.active,
  },
  {
    rule: 'the event to inject is one that the activity state lets through',
    holds: v => isDeliverable(v, v.number('GUEST_ACTIVITY_STATE')),
  },
]

const INTERRUPTIBILITY_CHECKS: readonly EntryCheck[] = [
  {
    rule: 'bits 31:4 of the interruptibility state are 0',
    holds: v => v.number('GUEST_INTERRUPTIBILITY_INFO') < 16,
  },
  { rule: 'not both STI and MOV-SS blocking', holds: v => !(blocks(v, BLOCKING.sti) && blocks(v, BLOCKING.movSs)) },
  { rule: 'STI blocking needs RFLAGS.IF', holds: v => !blocks(v, BLOCKING.sti) || flag(v, 'IF') },
  {
    rule: 'no STI or MOV-SS blocking with an injected external interrupt',
    holds: v => !isInjecting(v, INJECTION.external) || !blocks(v, BLOCKING.sti | BLOCKING.movSs),
  },
  { rule: 'no MOV-SS blocking with an injected NMI', holds: v => !isInjecting(v, INJECTION.nmi) || !blocks(v, BLOCKING.movSs) },
  { rule: 'no SMI blocking outside system-management mode', holds: v => !blocks(v, BLOCKING.smi) },
  {
    rule: 'with virtual NMIs no NMI blocking with an injected NMI',
    holds: given('PIN_BASED_VIRTUAL_NMIS', v => !isInjecting(v, INJECTION.nmi) || !blocks(v, BLOCKING.nmi)),
  },
]

/** Bits 3:0 breakpoints, 12 enabled breakpoint, 14 single step. */
const PENDING_DEBUG_DEFINED = 0x500fn
const SINGLE_STEP = 14

const OTHER_CHECKS: readonly EntryCheck[] = [
  {
    rule: 'reserved bits of the pending debug exceptions are 0',
    holds: v => (v.get('GUEST_PENDING_DBG_EXCEPTIONS') & ~PENDING_DEBUG_DEFINED) === 0n,
  },
  {
    rule: 'with blocking by STI or MOV SS or in HLT, a pending single step is there exactly with RFLAGS.TF',
    holds: v =>
      !(blocks(v, BLOCKING.sti | BLOCKING.movSs) || v.number('GUEST_ACTIVITY_STATE') === ACTIVITY.hlt) ||
      hasBit(v.get('GUEST_PENDING_DBG_EXCEPTIONS'), SINGLE_STEP) === flag(v, 'TF'),
  },
  { rule: 'the VMCS link pointer is all ones or points to a VMCS of the right kind', qualification: 4, holds: linkPointerFits },
]

const NO_LINK = 0xffff_ffff_ffff_ffffn
const SHADOW_INDICATOR = 31

/** A page with the processor's VMCS revision, a shadow VMCS exactly with VMCS shadowing, and not the current VMCS. */
function linkPointerFits(v: EntryState): boolean {
  const pointer = v.get('VMCS_LINK_POINTER')
  if (pointer === NO_LINK) return true
  if (!arePages('VMCS_LINK_POINTER')(v) || pointer === v.pointer) return false
  const header = v.read32(Number(pointer))
  const revision = Number(v.capability('MSR_IA32_VMX_BASIC') & 0x7fff_ffffn)
  return (header & 0x7fff_ffff) === revision && header >>> SHADOW_INDICATOR === (v.has('SECONDARY_EXEC_SHADOW_VMCS') ? 1 : 0)
}

const PDPTE_RESERVED = 0x1e6n | (0xffff_ffff_ffff_ffffn & ~((1n << BigInt(PHYSICAL_ADDRESS_BITS)) - 1n))

const usesPaePaging = (v: EntryState): boolean =>
  hasBit(v.get('GUEST_CR0'), CR0.PG) && hasBit(v.get('GUEST_CR4'), CR4.PAE) && !v.has('VM_ENTRY_IA32E_MODE')

/** The four entries: fields of the VMCS with EPT, else where guest CR3 points. */
function pdptes(v: EntryState): readonly bigint[] {
  if (v.has('SECONDARY_EXEC_ENABLE_EPT'))
    return [v.get('GUEST_PDPTR0'), v.get('GUEST_PDPTR1'), v.get('GUEST_PDPTR2'), v.get('GUEST_PDPTR3')]
  const table = Number(v.get('GUEST_CR3') & 0xffff_ffe0n)
  return [0, 8, 16, 24].map(offset => v.read64(table + offset))
}

const PDPTE_CHECKS: readonly EntryCheck[] = [
  {
    rule: 'with PAE paging, no present PDPTE has a reserved bit set',
    qualification: 2,
    holds: v => !usesPaePaging(v) || pdptes(v).every(entry => (entry & 1n) === 0n || (entry & PDPTE_RESERVED) === 0n),
  },
]

export const GUEST_NON_REGISTER_CHECKS: readonly EntryCheck[] = [
  ...ACTIVITY_CHECKS,
  ...INTERRUPTIBILITY_CHECKS,
  ...OTHER_CHECKS,
  ...PDPTE_CHECKS,
]
