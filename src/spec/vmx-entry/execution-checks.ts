/** Checks on the VM-execution controls at VM entry, in the SDM's order ("Checks on VMX Controls"). A broken one is VMfailValid 7. */

import { high32, shiftRight } from '../../base/u64.ts'
import { APIC_REGISTERS } from '../apic-registers.ts'
import type { MsrName } from '../msrs.ts'
import { cr3Targets } from '../vmcs-field-controls.ts'
import type { VmcsFieldName } from '../vmcs-fields.ts'
import { arePages, given, hasBit, isWithinPhysicalWidth } from './conditions.ts'
import type { EntryCheck, EntryState } from './entry-check.ts'

/** A control word against its capability MSR: every must-be-1 bit is 1, no other than a may-be-1 bit is. */
export const wordFits = (field: VmcsFieldName, capability: MsrName) => (v: EntryState) => {
  const word = v.number(field)
  const allowed = v.capability(capability)
  const mustBeOne = Number(allowed & 0xffff_ffffn)
  const mayBeOne = high32(allowed)
  return (word & mustBeOne) >>> 0 === mustBeOne && (word & ~mayBeOne) === 0
}

const WORDS: readonly EntryCheck[] = [
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
    holds: given('CPU_BASED_ACTIVATE_SECONDARY_CONTROLS', wordFits('SECONDARY_VM_EXEC_CONTROL', 'MSR_IA32_VMX_PROCBASED_CTLS2')),
  },
  {
    rule: 'tertiary processor-based controls fit IA32_VMX_PROCBASED_CTLS3',
    holds: given(
      'CPU_BASED_ACTIVATE_TERTIARY_CONTROLS',
      v => (v.get('TERTIARY_VM_EXEC_CONTROL') & ~v.capability('MSR_IA32_VMX_PROCBASED_CTLS3')) === 0n,
    ),
  },
  {
    rule: 'the CR3-target count is at most what IA32_VMX_MISC reports',
    holds: v => v.number('CR3_TARGET_COUNT') <= cr3Targets(v.capability('MSR_IA32_VMX_MISC')),
  },
]

/** VTPR of the virtual-APIC page, its priority class. */
const virtualTaskClass = (v: EntryState): number =>
  (v.read32(v.number('VIRTUAL_APIC_PAGE_ADDR') + APIC_REGISTERS.APIC_TASKPRI.offset) >>> 4) & 0xf

const BITMAPS_AND_APIC: readonly EntryCheck[] = [
  {
    rule: 'the I/O-bitmap addresses are page-aligned physical addresses',
    holds: given('CPU_BASED_USE_IO_BITMAPS', arePages('IO_BITMAP_A', 'IO_BITMAP_B')),
  },
  {
    rule: 'the MSR-bitmap address is a page-aligned physical address',
    holds: given('CPU_BASED_USE_MSR_BITMAPS', arePages('MSR_BITMAP')),
  },
  {
    rule: 'the virtual-APIC address is a page-aligned physical address',
    holds: given('CPU_BASED_TPR_SHADOW', arePages('VIRTUAL_APIC_PAGE_ADDR')),
  },
  {
    rule: 'without virtual-interrupt delivery, bits 31:4 of the TPR threshold are 0',
    holds: given('CPU_BASED_TPR_SHADOW', v => v.has('SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY') || v.number('TPR_THRESHOLD') < 16),
  },
  {
    rule: 'without APIC-access virtualization and virtual-interrupt delivery, the TPR threshold is not above VTPR',
    holds: given(
      'CPU_BASED_TPR_SHADOW',
      v =>
        v.has('SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES') ||
        v.has('SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY') ||
        (v.number('TPR_THRESHOLD') & 0xf) <= virtualTaskClass(v),
    ),
  },
]

const EVENTS: readonly EntryCheck[] = [
  { rule: 'virtual NMIs need NMI exiting', holds: given('PIN_BASED_VIRTUAL_NMIS', v => v.has('PIN_BASED_NMI_EXITING')) },
  { rule: 'NMI-window exiting needs virtual NMIs', holds: given('CPU_BASED_NMI_WINDOW_EXITING', v => v.has('PIN_BASED_VIRTUAL_NMIS')) },
  {
    rule: 'the APIC-access address is a page-aligned physical address',
    holds: given('SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES', arePages('APIC_ACCESS_ADDR')),
  },
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
    rule: 'x2APIC mode excludes APIC-access virtualization',
    holds: given('SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE', v => !v.has('SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES')),
  },
  {
    rule: 'virtual-interrupt delivery needs external-interrupt exiting',
    holds: given('SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY', v => v.has('PIN_BASED_EXT_INTR_MASK')),
  },
  {
    rule: 'posted interrupts need virtual-interrupt delivery and acknowledge-on-exit',
    holds: given('PIN_BASED_POSTED_INTR', v => v.has('SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY') && v.has('VM_EXIT_ACK_INTR_ON_EXIT')),
  },
  {
    rule: 'the notification vector is at most 255, the descriptor 64-byte aligned and within the physical-address width',
    holds: given(
      'PIN_BASED_POSTED_INTR',
      v =>
        v.number('POSTED_INTR_NV') <= 255 &&
        v.get('POSTED_INTR_DESC_ADDR') % 64n === 0n &&
        isWithinPhysicalWidth(v.get('POSTED_INTR_DESC_ADDR')),
    ),
  },
]

const MEMORY: readonly EntryCheck[] = [
  {
    rule: 'with VPIDs enabled the VPID is not 0',
    holds: given('SECONDARY_EXEC_ENABLE_VPID', v => v.number('VIRTUAL_PROCESSOR_ID') !== 0),
  },
  {
    rule: 'the EPT pointer is one that IA32_VMX_EPT_VPID_CAP allows, with a 4-level walk',
    holds: given('SECONDARY_EXEC_ENABLE_EPT', v => eptPointerFits(v.get('EPT_POINTER'), v.capability('MSR_IA32_VMX_EPT_VPID_CAP'))),
  },
  {
    rule: 'the page-modification log needs EPT and a page of its own',
    holds: given('SECONDARY_EXEC_ENABLE_PML', v => v.has('SECONDARY_EXEC_ENABLE_EPT') && arePages('PML_ADDRESS')(v)),
  },
  { rule: 'an unrestricted guest needs EPT', holds: given('SECONDARY_EXEC_UNRESTRICTED_GUEST', v => v.has('SECONDARY_EXEC_ENABLE_EPT')) },
  {
    rule: 'mode-based execute control needs EPT',
    holds: given('SECONDARY_EXEC_MODE_BASED_EPT_EXEC', v => v.has('SECONDARY_EXEC_ENABLE_EPT')),
  },
  {
    rule: 'VM functions: no reserved function, and EPTP switching needs EPT and a page-aligned list',
    holds: given('SECONDARY_EXEC_ENABLE_VMFUNC', functionsFit),
  },
  {
    rule: 'the VMREAD-bitmap and VMWRITE-bitmap addresses are page-aligned physical addresses',
    holds: given('SECONDARY_EXEC_SHADOW_VMCS', arePages('VMREAD_BITMAP', 'VMWRITE_BITMAP')),
  },
  {
    rule: 'the virtualization-exception information address is a page-aligned physical address',
    holds: given('SECONDARY_EXEC_EPT_VIOLATION_VE', arePages('VE_INFORMATION_ADDRESS')),
  },
  { rule: 'with TSC scaling the multiplier is not 0', holds: given('SECONDARY_EXEC_TSC_SCALING', v => v.get('TSC_MULTIPLIER') !== 0n) },
]

function functionsFit(v: EntryState): boolean {
  const functions = v.get('VM_FUNCTION_CONTROL')
  if ((functions & ~v.capability('MSR_IA32_VMX_VMFUNC')) !== 0n) return false
  return functions === 0n || (v.has('SECONDARY_EXEC_ENABLE_EPT') && arePages('EPTP_LIST_ADDRESS')(v))
}

/** Bits of IA32_VMX_EPT_VPID_CAP: paging structures uncached, write-back; accessed and dirty flags. */
const EPT_CAPABILITY = { uncached: 8, writeBack: 14, flags: 21 } as const
const EPTP_FLAGS = 6

/** Memory type 0 or 6, walk length 4 (encoded 3), accessed and dirty flags where there are any, no supervisor-shadow-stack control. */
export function eptPointerFits(pointer: bigint, capability: bigint): boolean {
  const type = pointer & 7n
  return (
    ((type === 0n && hasBit(capability, EPT_CAPABILITY.uncached)) || (type === 6n && hasBit(capability, EPT_CAPABILITY.writeBack))) &&
    (!hasBit(pointer, EPTP_FLAGS) || hasBit(capability, EPT_CAPABILITY.flags)) &&
    (shiftRight(pointer, 3) & 7n) === 3n &&
    (shiftRight(pointer, 7) & 0x1fn) === 0n &&
    isWithinPhysicalWidth(pointer)
  )
}

const GUEST_TIMER: readonly EntryCheck[] = [
  {
    rule: 'APIC-timer virtualization needs virtual-interrupt delivery',
    holds: given('TERTIARY_EXEC_GUEST_APIC_TIMER', v => v.has('SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY')),
  },
  {
    rule: 'APIC-timer virtualization excludes RDTSC exiting',
    holds: given('TERTIARY_EXEC_GUEST_APIC_TIMER', v => !v.has('CPU_BASED_RDTSC_EXITING')),
  },
  {
    rule: 'bits 15:8 of the virtual timer vector are 0',
    holds: given('TERTIARY_EXEC_GUEST_APIC_TIMER', v => v.number('GUEST_APIC_TIMER_VECTOR') <= 255),
  },
]

export const EXECUTION_CHECKS: readonly EntryCheck[] = [...WORDS, ...BITMAPS_AND_APIC, ...EVENTS, ...MEMORY, ...GUEST_TIMER]
