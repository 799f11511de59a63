/** Rows on the VMX controls: what breaks each rule, and what just does not. */

import type { Broken, Good } from './rules-base.ts'
import { NOT_OFFERED } from './verdict.ts'

const SHADOWED = { set: ['SECONDARY_EXEC_SHADOW_VMCS'], VMREAD_BITMAP: 0x21_4000, VMWRITE_BITMAP: 0x21_5000 } as const
const PML = { set: ['SECONDARY_EXEC_ENABLE_PML'], PML_ADDRESS: 0x21_3000 } as const
const ACCESSES = { set: ['SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES'], APIC_ACCESS_ADDR: 0x21_6000 } as const
const NO_TPR = { clear: ['CPU_BASED_TPR_SHADOW'] } as const
const TOO_WIDE = 1n << 46n

/** Interruption information: valid, type, vector, whether an error code is delivered. */
const event = (type: number, vector: number, code = false): number => (0x8000_0000 | (type << 8) | vector | (code ? 0x800 : 0)) >>> 0

const T_TYPE = 'the event to inject has a defined type'
const T_VECTOR = 'the vector of the event to inject fits its type'
const T_CODE = 'an error code is delivered with the hardware exceptions that have one, and with no other event'
const T_LENGTH = 'the instruction length of a software event to inject is 1 to 15, or 0 where IA32_VMX_MISC allows it'
const T_IO = 'the I/O-bitmap addresses are page-aligned physical addresses'
const T_POSTED = 'the notification vector is at most 255, the descriptor 64-byte aligned and within the physical-address width'
const T_NEED_POSTED = 'posted interrupts need virtual-interrupt delivery and acknowledge-on-exit'
const T_NEED_TPR = 'x2APIC mode, APIC-register virtualization and virtual-interrupt delivery need the TPR shadow'
const T_EPTP = 'the EPT pointer is one that IA32_VMX_EPT_VPID_CAP allows, with a 4-level walk'
const T_PML = 'the page-modification log needs EPT and a page of its own'
const T_FUNCTIONS = 'VM functions: no reserved function, and EPTP switching needs EPT and a page-aligned list'
const T_BITMAPS = 'the VMREAD-bitmap and VMWRITE-bitmap addresses are page-aligned physical addresses'
const T_SECONDARY = 'secondary processor-based controls fit IA32_VMX_PROCBASED_CTLS2'

export const BROKEN_CONTROLS: readonly Broken[] = [
  ['pin-based controls fit IA32_VMX_TRUE_PINBASED_CTLS', 'plain', { PIN_BASED_VM_EXEC_CONTROL: 0 }],
  ['pin-based controls fit IA32_VMX_TRUE_PINBASED_CTLS', 'plain', { PIN_BASED_VM_EXEC_CONTROL: 0x116 }],
  ['primary processor-based controls fit IA32_VMX_TRUE_PROCBASED_CTLS', 'plain', { CPU_BASED_VM_EXEC_CONTROL: 0 }],
  [T_SECONDARY, 'secondary', { set: [NOT_OFFERED] }],
  ['tertiary processor-based controls fit IA32_VMX_PROCBASED_CTLS3', 'timer', { set: ['TERTIARY_EXEC_IPI_VIRT'] }],
  ['the CR3-target count is at most what IA32_VMX_MISC reports', 'plain', { CR3_TARGET_COUNT: 5 }],
  [T_IO, 'plain', { set: ['CPU_BASED_USE_IO_BITMAPS'], IO_BITMAP_A: 0x800 }],
  [T_IO, 'plain', { set: ['CPU_BASED_USE_IO_BITMAPS'], IO_BITMAP_B: TOO_WIDE }],
  ['the MSR-bitmap address is a page-aligned physical address', 'timer', { MSR_BITMAP: 0x1001 }],
  ['the virtual-APIC address is a page-aligned physical address', 'timer', { VIRTUAL_APIC_PAGE_ADDR: TOO_WIDE }],
  ['without virtual-interrupt delivery, bits 31:4 of the TPR threshold are 0', 'tpr', { TPR_THRESHOLD: 0x10 }],
  ['without APIC-access virtualization and virtual-interrupt delivery, the TPR threshold is not above VTPR', 'tpr', { TPR_THRESHOLD: 1 }],
  ['virtual NMIs need NMI exiting', 'plain', { set: ['PIN_BASED_VIRTUAL_NMIS'] }],
  ['NMI-window exiting needs virtual NMIs', 'plain', { set: ['CPU_BASED_NMI_WINDOW_EXITING'] }],
  ['the APIC-access address is a page-aligned physical address', 'secondary', { ...ACCESSES, APIC_ACCESS_ADDR: 0xfee0_0010 }],
  [T_NEED_TPR, 'timer', NO_TPR],
  [T_NEED_TPR, 'secondary', { set: ['SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE'] }],
  [T_NEED_TPR, 'secondary', { set: ['SECONDARY_EXEC_APIC_REGISTER_VIRT'] }],
  ['x2APIC mode excludes APIC-access virtualization', 'timer', ACCESSES],
  ['virtual-interrupt delivery needs external-interrupt exiting', 'timer', { clear: ['PIN_BASED_EXT_INTR_MASK'] }],
  [T_NEED_POSTED, 'posted', { clear: ['VM_EXIT_ACK_INTR_ON_EXIT'] }],
  [T_NEED_POSTED, 'plain', { set: ['PIN_BASED_POSTED_INTR'] }],
  [T_POSTED, 'posted', { POSTED_INTR_NV: 0x100 }],
  [T_POSTED, 'posted', { POSTED_INTR_DESC_ADDR: 0x20_9020 }],
  [T_POSTED, 'posted', { POSTED_INTR_DESC_ADDR: TOO_WIDE }],
  ['with VPIDs enabled the VPID is not 0', 'vpid', { VIRTUAL_PROCESSOR_ID: 0 }],
  [T_EPTP, 'ept', { EPT_POINTER: 0x21_0019n }], // memory type 1
  [T_EPTP, 'ept', { EPT_POINTER: 0x21_0016n }], // walk of 3
  [T_EPTP, 'ept', { EPT_POINTER: 0x21_011en }], // reserved bit 8
  [T_EPTP, 'ept', { EPT_POINTER: TOO_WIDE | 0x1en }],
  [T_PML, 'secondary', PML],
  [T_PML, 'ept', { ...PML, PML_ADDRESS: 0x21_3008 }],
  ['an unrestricted guest needs EPT', 'secondary', { set: ['SECONDARY_EXEC_UNRESTRICTED_GUEST'] }],
  ['mode-based execute control needs EPT', 'secondary', { set: ['SECONDARY_EXEC_MODE_BASED_EPT_EXEC'] }],
  [
    'the virtualization-exception information address is a page-aligned physical address',
    'ept',
    { set: ['SECONDARY_EXEC_EPT_VIOLATION_VE'], VE_INFORMATION_ADDRESS: 0x21_8001 },
  ],
  [T_FUNCTIONS, 'ept', { set: ['SECONDARY_EXEC_ENABLE_VMFUNC'], VM_FUNCTION_CONTROL: 2 }],
  [T_FUNCTIONS, 'ept', { set: ['SECONDARY_EXEC_ENABLE_VMFUNC'], VM_FUNCTION_CONTROL: 1, EPTP_LIST_ADDRESS: 0x10 }],
  [T_FUNCTIONS, 'secondary', { set: ['SECONDARY_EXEC_ENABLE_VMFUNC'], VM_FUNCTION_CONTROL: 1 }],
  [T_BITMAPS, 'secondary', { ...SHADOWED, VMREAD_BITMAP: 1 }],
  [T_BITMAPS, 'secondary', { ...SHADOWED, VMWRITE_BITMAP: TOO_WIDE }],
  ['with TSC scaling the multiplier is not 0', 'secondary', { set: ['SECONDARY_EXEC_TSC_SCALING'], TSC_MULTIPLIER: 0 }],
  ['APIC-timer virtualization needs virtual-interrupt delivery', 'timer', { clear: ['SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY'] }],
  ['APIC-timer virtualization excludes RDTSC exiting', 'timer', { set: ['CPU_BASED_RDTSC_EXITING'] }],
  ['bits 15:8 of the virtual timer vector are 0', 'timer', { GUEST_APIC_TIMER_VECTOR: 0x1ec }],
  ['VM-exit controls fit IA32_VMX_TRUE_EXIT_CTLS', 'plain', { VM_EXIT_CONTROLS: 0 }],
  ['saving the preemption timer needs the preemption timer', 'plain', { set: ['VM_EXIT_SAVE_VMX_PREEMPTION_TIMER'] }],
  [
    'the VM-exit MSR-store area is aligned and within the physical-address width',
    'plain',
    { VM_EXIT_MSR_STORE_COUNT: 1, VM_EXIT_MSR_STORE_ADDR: 8 },
  ],
  [
    'the VM-exit MSR-load area is aligned and within the physical-address width',
    'plain',
    { VM_EXIT_MSR_LOAD_COUNT: 1, VM_EXIT_MSR_LOAD_ADDR: TOO_WIDE },
  ],
  ['VM-entry controls fit IA32_VMX_TRUE_ENTRY_CTLS', 'plain', { set: ['VM_ENTRY_SMM'] }],
  ['VM-entry controls fit IA32_VMX_TRUE_ENTRY_CTLS', 'plain', { set: ['VM_ENTRY_DEACT_DUAL_MONITOR'] }],
  [
    'the VM-entry MSR-load area is aligned and within the physical-address width',
    'plain',
    { VM_ENTRY_MSR_LOAD_COUNT: 2, VM_ENTRY_MSR_LOAD_ADDR: TOO_WIDE - 16n },
  ],
  [T_TYPE, 'plain', { VM_ENTRY_INTR_INFO_FIELD: event(1, 0x20) }],
  [T_VECTOR, 'plain', { VM_ENTRY_INTR_INFO_FIELD: event(2, 3) }],
  [T_VECTOR, 'plain', { VM_ENTRY_INTR_INFO_FIELD: event(3, 32) }],
  [T_VECTOR, 'plain', { VM_ENTRY_INTR_INFO_FIELD: event(7, 1) }],
  [T_CODE, 'plain', { VM_ENTRY_INTR_INFO_FIELD: event(3, 13) }],
  [T_CODE, 'plain', { VM_ENTRY_INTR_INFO_FIELD: event(3, 6, true) }],
  [T_CODE, 'plain', { VM_ENTRY_INTR_INFO_FIELD: event(0, 13, true) }],
  [T_CODE, 'real', { VM_ENTRY_INTR_INFO_FIELD: event(3, 13, true) }],
  ['bits 30:12 of the VM-entry interruption information are 0', 'plain', { VM_ENTRY_INTR_INFO_FIELD: event(3, 6) | 0x1000 }],
  [
    'bits 31:16 of the error code to deliver are 0',
    'plain',
    { VM_ENTRY_INTR_INFO_FIELD: event(3, 13, true), VM_ENTRY_EXCEPTION_ERROR_CODE: 0x1_0000 },
  ],
  [T_LENGTH, 'plain', { VM_ENTRY_INTR_INFO_FIELD: event(4, 0x80), VM_ENTRY_INSTRUCTION_LEN: 16 }],
  [T_LENGTH, 'plain', { VM_ENTRY_INTR_INFO_FIELD: event(6, 3), VM_ENTRY_INSTRUCTION_LEN: 16 }],
]

export const GOOD_CONTROLS: readonly Good[] = [
  ['plain', { SECONDARY_VM_EXEC_CONTROL: 0xffff_ffff, TERTIARY_VM_EXEC_CONTROL: 0xffff_ffff_ffff_ffffn }],
  ['plain', { CR3_TARGET_COUNT: 4 }],
  ['plain', { MSR_BITMAP: 1, IO_BITMAP_A: 1, VIRTUAL_APIC_PAGE_ADDR: 1, EPT_POINTER: 0, PML_ADDRESS: 1, TSC_MULTIPLIER: 0 }],
  ['tpr', { TPR_THRESHOLD: 0 }],
  ['timer', { TPR_THRESHOLD: 0xff }],
  ['nmi', { set: ['CPU_BASED_NMI_WINDOW_EXITING'] }],
  ['posted', { POSTED_INTR_NV: 0xff, POSTED_INTR_DESC_ADDR: 0x20_9040 }],
  ['ept', { EPT_POINTER: 0x21_0018n }], // uncached
  ['ept', { EPT_POINTER: 0x21_005en }], // accessed and dirty flags
  ['ept', { set: ['SECONDARY_EXEC_ENABLE_VMFUNC'], VM_FUNCTION_CONTROL: 1, EPTP_LIST_ADDRESS: 0x21_7000 }],
  ['secondary', { set: ['SECONDARY_EXEC_ENABLE_VMFUNC'], VM_FUNCTION_CONTROL: 0 }],
  ['plain', { VM_EXIT_MSR_STORE_ADDR: 1, VM_EXIT_MSR_LOAD_ADDR: 1, VM_ENTRY_MSR_LOAD_ADDR: 1 }],
  ['plain', { VM_ENTRY_INTR_INFO_FIELD: 0x7fff_ffff }],
  ['plain', { VM_ENTRY_INTR_INFO_FIELD: event(3, 13, true), VM_ENTRY_EXCEPTION_ERROR_CODE: 0xffff }],
  ['plain', { VM_ENTRY_INTR_INFO_FIELD: event(4, 0x80), VM_ENTRY_INSTRUCTION_LEN: 15 }],
  ['plain', { VM_ENTRY_INTR_INFO_FIELD: event(3, 6), VM_ENTRY_INSTRUCTION_LEN: 99 }],
]
