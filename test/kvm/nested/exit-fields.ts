/**
 * Which fields of the VMCS mean something after a VM exit (Intel SDM, "Recording VM-Exit Information and Updating VM-Entry Control
 * Fields"; "Saving Guest State"). The manual leaves the others undefined: nobody may look at them.
 */

import { bit } from '../../../src/base/bits.ts'
import { EXIT_REASONS, type ExitReason } from '../../../src/spec/exit-reasons.ts'
import { groupOf, VMCS_FIELDS, type VmcsFieldName } from '../../../src/spec/vmcs-fields.ts'
import { CONTROL_WORDS, type ControlName, VMX_CONTROLS } from '../../../src/spec/vmx-controls.ts'

type Vmcs = ReadonlyMap<VmcsFieldName, bigint>

const numbers = (...reasons: ExitReason[]): ReadonlySet<number> => new Set(reasons.map(reason => EXIT_REASONS[reason]))

/** Exits that come with an instruction length whatever was being delivered. */
const BY_INSTRUCTION = numbers(
  'EXIT_REASON_CPUID',
  'EXIT_REASON_HLT',
  'EXIT_REASON_INVD',
  'EXIT_REASON_INVLPG',
  'EXIT_REASON_RDPMC',
  'EXIT_REASON_RDTSC',
  'EXIT_REASON_VMCALL',
  'EXIT_REASON_VMCLEAR',
  'EXIT_REASON_VMLAUNCH',
  'EXIT_REASON_VMPTRLD',
  'EXIT_REASON_VMPTRST',
  'EXIT_REASON_VMREAD',
  'EXIT_REASON_VMRESUME',
  'EXIT_REASON_VMWRITE',
  'EXIT_REASON_VMOFF',
  'EXIT_REASON_VMON',
  'EXIT_REASON_CR_ACCESS',
  'EXIT_REASON_DR_ACCESS',
  'EXIT_REASON_IO_INSTRUCTION',
  'EXIT_REASON_MSR_READ',
  'EXIT_REASON_MSR_WRITE',
  'EXIT_REASON_MWAIT_INSTRUCTION',
  'EXIT_REASON_MONITOR_INSTRUCTION',
  'EXIT_REASON_PAUSE_INSTRUCTION',
  'EXIT_REASON_GDTR_IDTR',
  'EXIT_REASON_LDTR_TR',
  'EXIT_REASON_INVEPT',
  'EXIT_REASON_RDTSCP',
  'EXIT_REASON_INVVPID',
  'EXIT_REASON_WBINVD',
  'EXIT_REASON_XSETBV',
  'EXIT_REASON_RDRAND',
  'EXIT_REASON_INVPCID',
  'EXIT_REASON_VMFUNC',
  'EXIT_REASON_RDSEED',
)

const WITH_INFORMATION = numbers(
  'EXIT_REASON_VMCLEAR',
  'EXIT_REASON_VMPTRLD',
  'EXIT_REASON_VMPTRST',
  'EXIT_REASON_VMREAD',
  'EXIT_REASON_VMWRITE',
  'EXIT_REASON_VMON',
  'EXIT_REASON_GDTR_IDTR',
  'EXIT_REASON_LDTR_TR',
  'EXIT_REASON_INVEPT',
  'EXIT_REASON_INVVPID',
  'EXIT_REASON_RDRAND',
  'EXIT_REASON_INVPCID',
  'EXIT_REASON_RDSEED',
)

const EPT = numbers('EXIT_REASON_EPT_VIOLATION', 'EXIT_REASON_EPT_MISCONFIG')
const STRING_IO = 4
const LINEAR_VALID = 7
const HAS_CODE = 11
const VALID = 31

const FAILED_ENTRY: readonly VmcsFieldName[] = ['VM_EXIT_REASON', 'EXIT_QUALIFICATION']

/** Guest state that an exit saves only with a control, or that only some guests have. */
const SAVED_BY: Partial<Record<VmcsFieldName, ControlName>> = {
  GUEST_INTR_STATUS: 'SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY',
}

function has(vmcs: Vmcs, control: ControlName): boolean {
  const { word, bit: position } = VMX_CONTROLS[control]
  const primary = Number(vmcs.get('CPU_BASED_VM_EXEC_CONTROL')!)
  if (word === 'secondary' && !bit(primary, VMX_CONTROLS.CPU_BASED_ACTIVATE_SECONDARY_CONTROLS.bit)) return false
  return bit(Number(vmcs.get(CONTROL_WORDS[word].field)! & 0xffff_ffffn), position)
}

const isPdptr = (name: VmcsFieldName): boolean => name.startsWith('GUEST_PDPTR')

/** PAE paging with EPT: the only case in which the PDPTE fields are saved. */
const usesPdptrs = (vmcs: Vmcs): boolean =>
  has(vmcs, 'SECONDARY_EXEC_ENABLE_EPT') &&
  (vmcs.get('GUEST_CR0')! & 0x8000_0000n) !== 0n &&
  (vmcs.get('GUEST_CR4')! & 0x20n) !== 0n &&
  !has(vmcs, 'VM_ENTRY_IA32E_MODE')

function informationFields(vmcs: Vmcs, reason: number): VmcsFieldName[] {
  const number = (name: VmcsFieldName): number => Number(vmcs.get(name)! & 0xffff_ffffn)
  const fields: VmcsFieldName[] = ['VM_EXIT_REASON', 'EXIT_QUALIFICATION', 'VM_EXIT_INTR_INFO', 'IDT_VECTORING_INFO_FIELD']
  const vectoring = number('IDT_VECTORING_INFO_FIELD')
  if (bit(number('VM_EXIT_INTR_INFO'), VALID) && bit(number('VM_EXIT_INTR_INFO'), HAS_CODE)) fields.push('VM_EXIT_INTR_ERROR_CODE')
  if (bit(vectoring, VALID) && bit(vectoring, HAS_CODE)) fields.push('IDT_VECTORING_ERROR_CODE')
  const deliversSoftware = bit(vectoring, VALID) && [4, 5, 6].includes((vectoring >>> 8) & 7)
  if (BY_INSTRUCTION.has(reason) || deliversSoftware) fields.push('VM_EXIT_INSTRUCTION_LEN')
  if (WITH_INFORMATION.has(reason)) fields.push('VMX_INSTRUCTION_INFO')
  if (EPT.has(reason)) fields.push('GUEST_PHYSICAL_ADDRESS')
  const qualification = number('EXIT_QUALIFICATION')
  const namesLinear =
    (reason === EXIT_REASONS.EXIT_REASON_EPT_VIOLATION && bit(qualification, LINEAR_VALID)) ||
    (reason === EXIT_REASONS.EXIT_REASON_IO_INSTRUCTION && bit(qualification, STRING_IO))
  if (namesLinear) fields.push('GUEST_LINEAR_ADDRESS')
  if (reason === EXIT_REASONS.EXIT_REASON_IO_INSTRUCTION && bit(qualification, STRING_IO)) fields.push('VMX_INSTRUCTION_INFO')
  return fields
}

/** The fields that a program may compare after this exit, in the order of the VMCS. */
export function definedFields(vmcs: Vmcs): ReadonlySet<VmcsFieldName> {
  const reason = Number(vmcs.get('VM_EXIT_REASON')!)
  if (bit(reason, VALID)) return new Set(FAILED_ENTRY)
  const state = [...vmcs.keys()].filter(name => {
    const group = groupOf(VMCS_FIELDS[name].encoding)
    if (group === 'exit-information' || (isPdptr(name) && !usesPdptrs(vmcs))) return false
    const control = SAVED_BY[name]
    return control === undefined || has(vmcs, control)
  })
  return new Set([...informationFields(vmcs, reason), ...state])
}
