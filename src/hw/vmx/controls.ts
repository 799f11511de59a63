/** The control fields as a VM entry takes them over (Intel SDM, "VM-Execution Control Fields"). */

import { bit } from '../../base/bits.ts'
import type { VmcsFieldName } from '../../spec/vmcs-fields.ts'
import { VMX_CONTROLS } from '../../spec/vmx-controls.ts'
import type { Memory } from '../memory.ts'
import { MULTIPLIER_ONE } from '../time/clock.ts'
import { type Controls, isControlSet } from './state.ts'
import { readField, readNumber } from './vmcs.ts'

const CR3_TARGETS = ['CR3_TARGET_VALUE0', 'CR3_TARGET_VALUE1', 'CR3_TARGET_VALUE2', 'CR3_TARGET_VALUE3'] as const
const NO_LINK = 0xffff_ffff_ffff_ffffn

/** The CPU's copy of the control fields; words that are not activated count as 0. */
export function controlsOf(memory: Memory, vmcs: number): Controls {
  const number = (name: VmcsFieldName): number => readNumber(memory, vmcs, name)
  const get = (name: VmcsFieldName): bigint => readField(memory, vmcs, name)
  const primary = number('CPU_BASED_VM_EXEC_CONTROL')
  const controls: Controls = {
    pin: number('PIN_BASED_VM_EXEC_CONTROL'),
    primary,
    secondary: bit(primary, VMX_CONTROLS.CPU_BASED_ACTIVATE_SECONDARY_CONTROLS.bit) ? number('SECONDARY_VM_EXEC_CONTROL') : 0,
    tertiary: bit(primary, VMX_CONTROLS.CPU_BASED_ACTIVATE_TERTIARY_CONTROLS.bit) ? number('TERTIARY_VM_EXEC_CONTROL') : 0,
    exit: number('VM_EXIT_CONTROLS'),
    entry: number('VM_ENTRY_CONTROLS'),
    exceptionBitmap: number('EXCEPTION_BITMAP'),
    pageFaultMask: number('PAGE_FAULT_ERROR_CODE_MASK'),
    pageFaultMatch: number('PAGE_FAULT_ERROR_CODE_MATCH'),
    eptPointer: get('EPT_POINTER'),
    msrBitmap: number('MSR_BITMAP'),
    ioBitmapA: number('IO_BITMAP_A'),
    ioBitmapB: number('IO_BITMAP_B'),
    virtualApicPage: number('VIRTUAL_APIC_PAGE_ADDR'),
    apicAccessPage: number('APIC_ACCESS_ADDR'),
    cr3Targets: CR3_TARGETS.slice(0, Math.min(number('CR3_TARGET_COUNT'), CR3_TARGETS.length)).map(get),
    vmreadBitmap: number('VMREAD_BITMAP'),
    vmwriteBitmap: number('VMWRITE_BITMAP'),
    linkPointer: get('VMCS_LINK_POINTER') === NO_LINK ? -1 : number('VMCS_LINK_POINTER'),
    tsc: { offset: 0n, multiplier: MULTIPLIER_ONE },
    cr0Mask: get('CR0_GUEST_HOST_MASK'),
    cr0Shadow: get('CR0_READ_SHADOW'),
    cr4Mask: get('CR4_GUEST_HOST_MASK'),
    cr4Shadow: get('CR4_READ_SHADOW'),
    virtualTimerVector: number('GUEST_APIC_TIMER_VECTOR'),
    postedVector: number('POSTED_INTR_NV'),
    postedDescriptor: number('POSTED_INTR_DESC_ADDR'),
    pauseGap: number('PLE_GAP'),
    pauseWindow: number('PLE_WINDOW'),
  }
  if (isControlSet(controls, 'CPU_BASED_USE_TSC_OFFSETTING')) {
    const multiplier = isControlSet(controls, 'SECONDARY_EXEC_TSC_SCALING') ? get('TSC_MULTIPLIER') : MULTIPLIER_ONE
    controls.tsc = { offset: get('TSC_OFFSET'), multiplier }
  }
  return controls
}
