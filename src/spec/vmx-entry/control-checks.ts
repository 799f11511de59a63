/**
 * Checks on the VMX controls at VM entry, in the SDM's order ("Checks on VMX Controls"): execution, VM-exit, then VM-entry controls.
 * A broken one is VMfailValid 7.
 */

import { CR0 } from '../cr-bits.ts'
import { given, hasBit, INJECTION, injected, isWithinPhysicalWidth } from './conditions.ts'
import type { EntryCheck, EntryState } from './entry-check.ts'
import { EXECUTION_CHECKS, wordFits } from './execution-checks.ts'

const AREA_ENTRY_BYTES = 16n

/** Where an MSR area lies: 16-byte aligned, its last byte within the physical-address width. */
const areaFits = (area: 'VM_EXIT_MSR_STORE' | 'VM_EXIT_MSR_LOAD' | 'VM_ENTRY_MSR_LOAD') => (v: EntryState) => {
  const count = BigInt(v.number(`${area}_COUNT`))
  const address = v.get(`${area}_ADDR`)
  return count === 0n || (address % AREA_ENTRY_BYTES === 0n && isWithinPhysicalWidth(address + count * AREA_ENTRY_BYTES - 1n))
}

const EXIT_CHECKS: readonly EntryCheck[] = [
  { rule: 'VM-exit controls fit IA32_VMX_TRUE_EXIT_CTLS', holds: wordFits('VM_EXIT_CONTROLS', 'MSR_IA32_VMX_TRUE_EXIT_CTLS') },
  {
    rule: 'saving the preemption timer needs the preemption timer',
    holds: given('VM_EXIT_SAVE_VMX_PREEMPTION_TIMER', v => v.has('PIN_BASED_VMX_PREEMPTION_TIMER')),
  },
  { rule: 'the VM-exit MSR-store area is aligned and within the physical-address width', holds: areaFits('VM_EXIT_MSR_STORE') },
  { rule: 'the VM-exit MSR-load area is aligned and within the physical-address width', holds: areaFits('VM_EXIT_MSR_LOAD') },
]

/** #DF, #TS, #NP, #SS, #GP, #PF and #AC push an error code. */
const WITH_ERROR_CODE: ReadonlySet<number> = new Set([8, 10, 11, 12, 13, 14, 17])
const SOFTWARE: ReadonlySet<number> = new Set([INJECTION.software, INJECTION.privileged, INJECTION.softwareException])
const RESERVED_INFORMATION = 0x7fff_f000
const RESERVED_TYPE = 1
/** IA32_VMX_MISC bit 30: software events of length 0 may be injected. */
const MISC_ZERO_LENGTH = 30

const whenInjecting = (condition: (event: NonNullable<ReturnType<typeof injected>>, v: EntryState) => boolean) => (v: EntryState) => {
  const event = injected(v)
  return event === null || condition(event, v)
}

/** An unrestricted guest in real mode gets no error codes. */
const deliversErrorCodes = (v: EntryState): boolean => !v.has('SECONDARY_EXEC_UNRESTRICTED_GUEST') || hasBit(v.get('GUEST_CR0'), CR0.PE)

const ENTRY_CHECKS: readonly EntryCheck[] = [
  { rule: 'VM-entry controls fit IA32_VMX_TRUE_ENTRY_CTLS', holds: wordFits('VM_ENTRY_CONTROLS', 'MSR_IA32_VMX_TRUE_ENTRY_CTLS') },
  { rule: 'the event to inject has a defined type', holds: whenInjecting(({ type }) => type !== RESERVED_TYPE) },
  {
    rule: 'the vector of the event to inject fits its type',
    holds: whenInjecting(
      ({ type, vector }) =>
        !(
          (type === INJECTION.nmi && vector !== 2) ||
          (type === INJECTION.hardware && vector > 31) ||
          (type === INJECTION.other && vector !== 0)
        ),
    ),
  },
  {
    rule: 'an error code is delivered with the hardware exceptions that have one, and with no other event',
    holds: whenInjecting(
      ({ type, vector, deliversCode }, v) =>
        deliversCode === (type === INJECTION.hardware && WITH_ERROR_CODE.has(vector) && deliversErrorCodes(v)),
    ),
  },
  {
    rule: 'bits 30:12 of the VM-entry interruption information are 0',
    holds: whenInjecting((_, v) => (v.number('VM_ENTRY_INTR_INFO_FIELD') & RESERVED_INFORMATION) === 0),
  },
  {
    rule: 'bits 31:16 of the error code to deliver are 0',
    holds: whenInjecting(({ deliversCode }, v) => !deliversCode || v.number('VM_ENTRY_EXCEPTION_ERROR_CODE') >>> 16 === 0),
  },
  {
    rule: 'the instruction length of a software event to inject is 1 to 15, or 0 where IA32_VMX_MISC allows it',
    holds: whenInjecting(({ type }, v) => {
      const length = v.number('VM_ENTRY_INSTRUCTION_LEN')
      return !SOFTWARE.has(type) || (length <= 15 && (length > 0 || hasBit(v.capability('MSR_IA32_VMX_MISC'), MISC_ZERO_LENGTH)))
    }),
  },
  { rule: 'the VM-entry MSR-load area is aligned and within the physical-address width', holds: areaFits('VM_ENTRY_MSR_LOAD') },
]

export const CONTROL_CHECKS: readonly EntryCheck[] = [...EXECUTION_CHECKS, ...EXIT_CHECKS, ...ENTRY_CHECKS]
