/**
 * How an ordered check of a VM entry is written: the rule in words, and whether it holds for a VMCS. The rows are facts about VMX,
 * so the silicon judges its VMCS by them, and a hypervisor that emulates VMX for its guest judges that guest's VMCS by the same.
 */

import { bit } from '../../base/bits.ts'
import type { LinearBits } from '../address-width.ts'
import type { MsrName } from '../msrs.ts'
import { RFLAGS } from '../rflags.ts'
import type { VmcsFieldName } from '../vmcs-fields.ts'
import { CONTROL_WORDS, type ControlName, VMX_CONTROLS } from '../vmx-controls.ts'
import { hasBit } from './conditions.ts'

/** Where a VMCS is kept, and for what processor. */
export interface EntrySource {
  readonly get: (name: VmcsFieldName) => bigint
  readonly capability: (name: MsrName) => bigint
  /** Physical memory, as the one who owns the VMCS sees it. */
  readonly read32: (address: number) => number
  readonly read64: (address: number) => bigint
  /** Where the VMCS lies. */
  readonly pointer: bigint
  /** The widest linear address that the processor has. */
  readonly linearBits: LinearBits
  /** Whether the processor that enters is in IA-32e mode. */
  readonly isLongMode: () => boolean
}

/** The VMCS under check, by field and by control; a control counts only where the word that holds it is activated. */
export interface EntryState extends EntrySource {
  readonly number: (name: VmcsFieldName) => number
  readonly has: (control: ControlName) => boolean
  /** Whether the guest will be in virtual-8086 mode. */
  readonly isVirtual8086: () => boolean
}

export interface EntryCheck {
  readonly rule: string
  readonly holds: (state: EntryState) => boolean
  /** Of a check on guest state: the exit qualification where it fails (SDM, "VM-Entry Failures During or After Loading Guest State"). */
  readonly qualification?: number
}

export function entryStateOf(source: EntrySource): EntryState {
  const number = (name: VmcsFieldName): number => Number(source.get(name))
  const primary = number(CONTROL_WORDS.primary.field)
  const words = {
    pin: number(CONTROL_WORDS.pin.field),
    primary,
    secondary: bit(primary, VMX_CONTROLS.CPU_BASED_ACTIVATE_SECONDARY_CONTROLS.bit) ? number(CONTROL_WORDS.secondary.field) : 0,
    tertiary: bit(primary, VMX_CONTROLS.CPU_BASED_ACTIVATE_TERTIARY_CONTROLS.bit)
      ? Number(source.get(CONTROL_WORDS.tertiary.field) & 0xffff_ffffn)
      : 0,
    exit: number(CONTROL_WORDS.exit.field),
    entry: number(CONTROL_WORDS.entry.field),
  }
  return {
    ...source,
    number,
    has: control => bit(words[VMX_CONTROLS[control].word], VMX_CONTROLS[control].bit),
    isVirtual8086: () => hasBit(source.get('GUEST_RFLAGS'), RFLAGS.VM),
  }
}

/** The first check that does not hold, or null. */
export const firstBroken = (checks: readonly EntryCheck[], state: EntryState): EntryCheck | null =>
  checks.find(check => !check.holds(state)) ?? null
