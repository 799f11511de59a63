/** Checks on the VMX controls at VM entry, in the SDM's order ("Checks on VMX Controls"). A broken one is VMfailValid 7. */

import { high32, shiftRight } from '../../base/u64.ts'
import { PAGE_SIZE } from '../../base/units.ts'
import { PHYSICAL_ADDRESS_BITS } from '../address-width.ts'
import type { MsrName } from '../msrs.ts'
import type { VmcsFieldName } from '../vmcs-fields.ts'
import type { EntryCheck, EntryState } from './entry-check.ts'

/** A control word against its capability MSR: every must-be-1 bit is 1, no other than a may-be-1 bit is. */
const wordFits = (field: VmcsFieldName, capability: MsrName) => (v: EntryState) => {
  const word = v.number(field)
  const allowed = v.capability(capability)
  const mustBeOne = Number(allowed & 0xffff_ffffn)
  const mayBeOne = high32(allowed)
  return (word & mustBeOne) >>> 0 === mustBeOne && (word & ~mayBeOne) === 0
}

const isPhysicalPage = (address: bigint): boolean => address % BigInt(PAGE_SIZE) === 0n && address >> BigInt(PHYSICAL_ADDRESS_BITS) === 0n

const EXECUTION_WORDS: readonly EntryCheck[] = [
  {
    rule: 'pin-based controls fit IA32_VMX_TRUE_PINBASED_CTLS',
    holds: wordFits('PIN_BASED_VM_EXEC_CONTROL', 'MSR_IA32_VMX_TRUE_PINBASED_CTLS'),
  },
  {
    rule: 'primary processor-based controls fit IA32_VMX_TRUE_PROCBASED_CTLS',
    holds: wordFits('CPU_BASED_VM_EXEC_CONTROL', 'MSR_IA32_VMX_TRUE_PROCBASED_CTLS'),
  },
  {
    rule: 'secondary processor-based controls fit IA32_VMX_PROCBASED_CTLS2',
    holds: v => !v.has('CPU_BASED_ACTIVATE_SECONDARY_CONTROLS') || wordFits('SECONDARY_VM_EXEC_CONTROL', 'MSR_IA32_VMX_PROCBASED_CTLS2')(v),
  },
  {
    rule: 'tertiary processor-based controls fit IA32_VMX_PROCBASED_CTLS3',
    holds: v =>
      !v.has('CPU_BASED_ACTIVATE_TERTIARY_CONTROLS') ||
      (v.get('TERTIARY_VM_EXEC_CONTROL') & ~v.capability('MSR_IA32_VMX_PROCBASED_CTLS3')) === 0n,
  },
  { rule: 'the CR3-target count is at most 4', holds: v => v.number('CR3_TARGET_COUNT') <= 4 },
]

const ADDRESSES: readonly EntryCheck[] = [
  {
    rule: 'the I/O-bitmap addresses are page-aligned physical addresses',
    holds: v => !v.has('CPU_BASED_USE_IO_BITMAPS') || (isPhysicalPage(v.get('IO_BITMAP_A')) && isPhysicalPage(v.get('IO_BITMAP_B'))),
  },
  {
    rule: 'the MSR-bitmap address is a page-aligned physical address',
    holds: v => !v.has('CPU_BASED_USE_MSR_BITMAPS') || isPhysicalPage(v.get('MSR_BITMAP')),
  },
  {
    rule: 'the virtual-APIC address is a page-aligned physical address',
    holds: v => !v.has('CPU_BASED_TPR_SHADOW') || isPhysicalPage(v.get('VIRTUAL_APIC_PAGE_ADDR')),
  },
  {
    rule: 'without virtual-interrupt delivery, bits 31:4 of the TPR threshold are 0',
    holds: v => !v.has('CPU_BASED_TPR_SHADOW') || v.has('SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY') || v.number('TPR_THRESHOLD') < 16,
  },
]

const DEPENDENCIES: readonly EntryCheck[] = [
  { rule: 'virtual NMIs need NMI exiting', holds: v => !v.has('PIN_BASED_VIRTUAL_NMIS') || v.has('PIN_BASED_NMI_EXITING') },
  { rule: 'NMI-window exiting needs virtual NMIs', holds: v => !v.has('CPU_BASED_NMI_WINDOW_EXITING') || v.has('PIN_BASED_VIRTUAL_NMIS') },
  {
    rule: 'x2APIC mode, APIC-register virtualization and virtual-interrupt delivery need the TPR shadow',
    holds: v =>
      v.has('CPU_BASED_TPR_SHADOW') ||
      !(
        v.has('SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE') ||
        v.has('SECONDARY_EXEC_APIC_REGISTER_VIRT') ||
        v.has('SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY')
      ),
  },
  {
    rule: 'virtual-interrupt delivery needs external-interrupt exiting',
    holds: v => !v.has('SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY') || v.has('PIN_BASED_EXT_INTR_MASK'),
  },
  {
    rule: 'posted interrupts need virtual-interrupt delivery and acknowledge-on-exit',
    holds: v => !v.has('PIN_BASED_POSTED_INTR') || (v.has('SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY') && v.has('VM_EXIT_ACK_INTR_ON_EXIT')),
  },
  {
    rule: 'the notification vector is at most 255, the descriptor 64-byte aligned and within the physical-address width',
    holds: v =>
      !v.has('PIN_BASED_POSTED_INTR') || (v.number('POSTED_INTR_NV') <= 255 && isDescriptorAddress(v.get('POSTED_INTR_DESC_ADDR'))),
  },
  {
    rule: 'with VPIDs enabled the VPID is not 0',
    holds: v => !v.has('SECONDARY_EXEC_ENABLE_VPID') || v.number('VIRTUAL_PROCESSOR_ID') !== 0,
  },
  {
    rule: 'the EPT pointer is write-back or uncached with a 4-level walk',
    holds: v => !v.has('SECONDARY_EXEC_ENABLE_EPT') || eptPointerFits(v.get('EPT_POINTER')),
  },
  {
    rule: 'the page-modification log needs EPT and a page of its own',
    holds: v => !v.has('SECONDARY_EXEC_ENABLE_PML') || (v.has('SECONDARY_EXEC_ENABLE_EPT') && isPhysicalPage(v.get('PML_ADDRESS'))),
  },
  {
    rule: 'VM functions: no reserved function, and EPTP switching needs EPT and a page-aligned list',
    holds: v => !v.has('SECONDARY_EXEC_ENABLE_VMFUNC') || functionsFit(v),
  },
  { rule: 'with TSC scaling the multiplier is not 0', holds: v => !v.has('SECONDARY_EXEC_TSC_SCALING') || v.get('TSC_MULTIPLIER') !== 0n },
]

const isDescriptorAddress = (address: bigint): boolean => address % 64n === 0n && address >> BigInt(PHYSICAL_ADDRESS_BITS) === 0n

function functionsFit(v: EntryState): boolean {
  const functions = v.get('VM_FUNCTION_CONTROL')
  if (functions > 1n) return false
  return functions === 0n || (v.has('SECONDARY_EXEC_ENABLE_EPT') && isPhysicalPage(v.get('EPTP_LIST_ADDRESS')))
}

/** Memory type 0 or 6, walk length 4 (encoded 3), no accessed and dirty flags, no supervisor-shadow-stack control. */
export function eptPointerFits(pointer: bigint): boolean {
  const type = pointer & 7n
  return (
    (type === 0n || type === 6n) &&
    (shiftRight(pointer, 3) & 7n) === 3n &&
    (shiftRight(pointer, 7) & 0x1fn) === 0n &&
    pointer >> BigInt(PHYSICAL_ADDRESS_BITS) === 0n
  )
}

const GUEST_TIMER: readonly EntryCheck[] = [
  {
    rule: 'APIC-timer virtualization needs virtual-interrupt delivery',
    holds: v => !v.has('TERTIARY_EXEC_GUEST_APIC_TIMER') || v.has('SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY'),
  },
  {
    rule: 'APIC-timer virtualization excludes RDTSC exiting',
    holds: v => !v.has('TERTIARY_EXEC_GUEST_APIC_TIMER') || !v.has('CPU_BASED_RDTSC_EXITING'),
  },
  {
    rule: 'bits 15:8 of the virtual timer vector are 0',
    holds: v => !v.has('TERTIARY_EXEC_GUEST_APIC_TIMER') || v.number('GUEST_APIC_TIMER_VECTOR') <= 255,
  },
]

const AREA_ENTRY_BYTES = 16

/** Where an MSR area lies: 16-byte aligned, its last byte within the physical-address width. */
const isAreaAddress = (address: bigint, count: number): boolean =>
  count === 0 || (address % 16n === 0n && address + BigInt(count * AREA_ENTRY_BYTES) <= 1n << BigInt(PHYSICAL_ADDRESS_BITS))

const areaFits = (area: 'VM_EXIT_MSR_STORE' | 'VM_EXIT_MSR_LOAD' | 'VM_ENTRY_MSR_LOAD') => (v: EntryState) =>
  isAreaAddress(v.get(`${area}_ADDR`), v.number(`${area}_COUNT`))

const EXIT_AND_ENTRY_WORDS: readonly EntryCheck[] = [
  { rule: 'VM-exit controls fit IA32_VMX_TRUE_EXIT_CTLS', holds: wordFits('VM_EXIT_CONTROLS', 'MSR_IA32_VMX_TRUE_EXIT_CTLS') },
  {
    rule: 'saving the preemption timer needs the preemption timer',
    holds: v => !v.has('VM_EXIT_SAVE_VMX_PREEMPTION_TIMER') || v.has('PIN_BASED_VMX_PREEMPTION_TIMER'),
  },
  { rule: 'the VM-exit MSR-store area is aligned and within the physical-address width', holds: areaFits('VM_EXIT_MSR_STORE') },
  { rule: 'the VM-exit MSR-load area is aligned and within the physical-address width', holds: areaFits('VM_EXIT_MSR_LOAD') },
  { rule: 'VM-entry controls fit IA32_VMX_TRUE_ENTRY_CTLS', holds: wordFits('VM_ENTRY_CONTROLS', 'MSR_IA32_VMX_TRUE_ENTRY_CTLS') },
  { rule: 'the VM-entry MSR-load area is aligned and within the physical-address width', holds: areaFits('VM_ENTRY_MSR_LOAD') },
  {
    rule: 'the event to inject has a defined type, a fitting vector and error code',
    holds: v => injectionFits(v.number('VM_ENTRY_INTR_INFO_FIELD')),
  },
]

/** Type 1 is reserved; type 7 (other event) is a pending MTF exit, vector 0; NMI is vector 2; exceptions are below 32. */
function injectionFits(information: number): boolean {
  if (information >>> 31 === 0) return true
  const vector = information & 0xff
  const type = (information >>> 8) & 7
  const deliversCode = ((information >>> 11) & 1) === 1
  if (type === 1 || (type === 7 && vector !== 0) || (type === 2 && vector !== 2) || (type === 3 && vector > 31)) return false
  return deliversCode === (type === 3 && [8, 10, 11, 12, 13, 14, 17].includes(vector)) && (information & 0x7fff_f000) === 0
}

export const CONTROL_CHECKS: readonly EntryCheck[] = [
  ...EXECUTION_WORDS,
  ...ADDRESSES,
  ...DEPENDENCIES,
  ...GUEST_TIMER,
  ...EXIT_AND_ENTRY_WORDS,
]
