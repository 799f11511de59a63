/** How an ordered check of a VM entry is written: the rule in words, and whether it holds for the current VMCS. */

import { bit } from '../../base/bits.ts'
import { MSRS, type MsrName } from '../../spec/msrs.ts'
import type { VmcsFieldName } from '../../spec/vmcs-fields.ts'
import { type ControlName, VMX_CONTROLS } from '../../spec/vmx-controls.ts'
import type { Machine } from '../machine.ts'
import { readField, readNumber } from './vmcs.ts'

/** The VMCS under check, by field and by control; a control counts only where the word that holds it is activated. */
export interface EntryState {
  readonly machine: Machine
  readonly get: (name: VmcsFieldName) => bigint
  readonly number: (name: VmcsFieldName) => number
  readonly has: (control: ControlName) => boolean
  readonly capability: (name: MsrName) => bigint
}

export interface EntryCheck {
  readonly rule: string
  readonly holds: (state: EntryState) => boolean
}

const WORD_FIELDS = {
  pin: 'PIN_BASED_VM_EXEC_CONTROL',
  primary: 'CPU_BASED_VM_EXEC_CONTROL',
  secondary: 'SECONDARY_VM_EXEC_CONTROL',
  tertiary: 'TERTIARY_VM_EXEC_CONTROL',
  exit: 'VM_EXIT_CONTROLS',
  entry: 'VM_ENTRY_CONTROLS',
} as const satisfies Readonly<Record<string, VmcsFieldName>>

export function entryStateOf(machine: Machine, vmcs: number): EntryState {
  const number = (name: VmcsFieldName): number => readNumber(machine.memory, vmcs, name)
  const primary = number('CPU_BASED_VM_EXEC_CONTROL')
  const words = {
    pin: number(WORD_FIELDS.pin),
    primary,
    secondary: bit(primary, VMX_CONTROLS.CPU_BASED_ACTIVATE_SECONDARY_CONTROLS.bit) ? number(WORD_FIELDS.secondary) : 0,
    tertiary: bit(primary, VMX_CONTROLS.CPU_BASED_ACTIVATE_TERTIARY_CONTROLS.bit)
      ? Number(readField(machine.memory, vmcs, WORD_FIELDS.tertiary) & 0xffff_ffffn)
      : 0,
    exit: number(WORD_FIELDS.exit),
    entry: number(WORD_FIELDS.entry),
  }
  return {
    machine,
    get: name => readField(machine.memory, vmcs, name),
    number,
    has: control => bit(words[VMX_CONTROLS[control].word], VMX_CONTROLS[control].bit),
    capability: name => machine.config.vmxMsrs[MSRS[name].index] ?? 0n,
  }
}

/** The first rule that does not hold, or null. */
export const firstBroken = (checks: readonly EntryCheck[], state: EntryState): string | null =>
  checks.find(check => !check.holds(state))?.rule ?? null
