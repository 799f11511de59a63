/**
 * The bits of the VM-execution, VM-exit and VM-entry control words (Intel SDM, "VM-Execution Control Fields", "VM-Exit Control
 * Fields", "VM-Entry Control Fields"). Names are Linux's (`asm/vmx.h`); where Linux has none, ours follows its pattern.
 * Bits absent here are reserved: each must keep the value that the word's capability MSR demands.
 */

export const CONTROL_WORDS = {
  pin: { field: 'PIN_BASED_VM_EXEC_CONTROL', capability: 'MSR_IA32_VMX_PINBASED_CTLS', trueCapability: 'MSR_IA32_VMX_TRUE_PINBASED_CTLS' },
  primary: {
    field: 'CPU_BASED_VM_EXEC_CONTROL',
    capability: 'MSR_IA32_VMX_PROCBASED_CTLS',
    trueCapability: 'MSR_IA32_VMX_TRUE_PROCBASED_CTLS',
  },
  secondary: { field: 'SECONDARY_VM_EXEC_CONTROL', capability: 'MSR_IA32_VMX_PROCBASED_CTLS2', trueCapability: null },
  /** The one word of 64 bits; its capability MSR is a plain mask of the bits that may be 1. */
  tertiary: { field: 'TERTIARY_VM_EXEC_CONTROL', capability: 'MSR_IA32_VMX_PROCBASED_CTLS3', trueCapability: null },
  exit: { field: 'VM_EXIT_CONTROLS', capability: 'MSR_IA32_VMX_EXIT_CTLS', trueCapability: 'MSR_IA32_VMX_TRUE_EXIT_CTLS' },
  entry: { field: 'VM_ENTRY_CONTROLS', capability: 'MSR_IA32_VMX_ENTRY_CTLS', trueCapability: 'MSR_IA32_VMX_TRUE_ENTRY_CTLS' },
} as const

export type ControlWord = keyof typeof CONTROL_WORDS

export interface ControlRow {
  readonly word: ControlWord
  readonly bit: number
  readonly sdm: string
}

export const VMX_CONTROLS = {
  PIN_BASED_EXT_INTR_MASK: { word: 'pin', bit: 0, sdm: 'external-interrupt exiting' },
  PIN_BASED_NMI_EXITING: { word: 'pin', bit: 3, sdm: 'NMI exiting' },
  PIN_BASED_VIRTUAL_NMIS: { word: 'pin', bit: 5, sdm: 'virtual NMIs' },
  PIN_BASED_VMX_PREEMPTION_TIMER: { word: 'pin', bit: 6, sdm: 'activate VMX-preemption timer' },
  PIN_BASED_POSTED_INTR: { word: 'pin', bit: 7, sdm: 'process posted interrupts' },

  CPU_BASED_INTR_WINDOW_EXITING: { word: 'primary', bit: 2, sdm: 'interrupt-window exiting' },
  CPU_BASED_USE_TSC_OFFSETTING: { word: 'primary', bit: 3, sdm: 'use TSC offsetting' },
  CPU_BASED_HLT_EXITING: { word: 'primary', bit: 7, sdm: 'HLT exiting' },
  CPU_BASED_INVLPG_EXITING: { word: 'primary', bit: 9, sdm: 'INVLPG exiting' },
  CPU_BASED_MWAIT_EXITING: { word: 'primary', bit: 10, sdm: 'MWAIT exiting' },
  CPU_BASED_RDPMC_EXITING: { word: 'primary', bit: 11, sdm: 'RDPMC exiting' },
  CPU_BASED_RDTSC_EXITING: { word: 'primary', bit: 12, sdm: 'RDTSC exiting' },
  CPU_BASED_CR3_LOAD_EXITING: { word: 'primary', bit: 15, sdm: 'CR3-load exiting' },
  CPU_BASED_CR3_STORE_EXITING: { word: 'primary', bit: 16, sdm: 'CR3-store exiting' },
  CPU_BASED_ACTIVATE_TERTIARY_CONTROLS: { word: 'primary', bit: 17, sdm: 'activate tertiary controls' },
  CPU_BASED_CR8_LOAD_EXITING: { word: 'primary', bit: 19, sdm: 'CR8-load exiting' },
  CPU_BASED_CR8_STORE_EXITING: { word: 'primary', bit: 20, sdm: 'CR8-store exiting' },
  CPU_BASED_TPR_SHADOW: { word: 'primary', bit: 21, sdm: 'use TPR shadow' },
  CPU_BASED_NMI_WINDOW_EXITING: { word: 'primary', bit: 22, sdm: 'NMI-window exiting' },
  CPU_BASED_MOV_DR_EXITING: { word: 'primary', bit: 23, sdm: 'MOV-DR exiting' },
  CPU_BASED_UNCOND_IO_EXITING: { word: 'primary', bit: 24, sdm: 'unconditional I/O exiting' },
  CPU_BASED_USE_IO_BITMAPS: { word: 'primary', bit: 25, sdm: 'use I/O bitmaps' },
  CPU_BASED_MONITOR_TRAP_FLAG: { word: 'primary', bit: 27, sdm: 'monitor trap flag' },
  CPU_BASED_USE_MSR_BITMAPS: { word: 'primary', bit: 28, sdm: 'use MSR bitmaps' },
  CPU_BASED_MONITOR_EXITING: { word: 'primary', bit: 29, sdm: 'MONITOR exiting' },
  CPU_BASED_PAUSE_EXITING: { word: 'primary', bit: 30, sdm: 'PAUSE exiting' },
  CPU_BASED_ACTIVATE_SECONDARY_CONTROLS: { word: 'primary', bit: 31, sdm: 'activate secondary controls' },

  SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES: { word: 'secondary', bit: 0, sdm: 'virtualize APIC accesses' },
  SECONDARY_EXEC_ENABLE_EPT: { word: 'secondary', bit: 1, sdm: 'enable EPT' },
  SECONDARY_EXEC_DESC: { word: 'secondary', bit: 2, sdm: 'descriptor-table exiting' },
  SECONDARY_EXEC_ENABLE_RDTSCP: { word: 'secondary', bit: 3, sdm: 'enable RDTSCP' },
  SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE: { word: 'secondary', bit: 4, sdm: 'virtualize x2APIC mode' },
  SECONDARY_EXEC_ENABLE_VPID: { word: 'secondary', bit: 5, sdm: 'enable VPID' },
  SECONDARY_EXEC_WBINVD_EXITING: { word: 'secondary', bit: 6, sdm: 'WBINVD exiting' },
  SECONDARY_EXEC_UNRESTRICTED_GUEST: { word: 'secondary', bit: 7, sdm: 'unrestricted guest' },
  SECONDARY_EXEC_APIC_REGISTER_VIRT: { word: 'secondary', bit: 8, sdm: 'APIC-register virtualization' },
  SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY: { word: 'secondary', bit: 9, sdm: 'virtual-interrupt delivery' },
  SECONDARY_EXEC_PAUSE_LOOP_EXITING: { word: 'secondary', bit: 10, sdm: 'PAUSE-loop exiting' },
  SECONDARY_EXEC_RDRAND_EXITING: { word: 'secondary', bit: 11, sdm: 'RDRAND exiting' },
  SECONDARY_EXEC_ENABLE_INVPCID: { word: 'secondary', bit: 12, sdm: 'enable INVPCID' },
  SECONDARY_EXEC_ENABLE_VMFUNC: { word: 'secondary', bit: 13, sdm: 'enable VM functions' },
  SECONDARY_EXEC_SHADOW_VMCS: { word: 'secondary', bit: 14, sdm: 'VMCS shadowing' },
  SECONDARY_EXEC_ENCLS_EXITING: { word: 'secondary', bit: 15, sdm: 'enable ENCLS exiting' },
  SECONDARY_EXEC_RDSEED_EXITING: { word: 'secondary', bit: 16, sdm: 'RDSEED exiting' },
  SECONDARY_EXEC_ENABLE_PML: { word: 'secondary', bit: 17, sdm: 'enable PML' },
  SECONDARY_EXEC_EPT_VIOLATION_VE: { word: 'secondary', bit: 18, sdm: 'EPT-violation #VE' },
  SECONDARY_EXEC_PT_CONCEAL_VMX: { word: 'secondary', bit: 19, sdm: 'conceal VMX from PT' },
  SECONDARY_EXEC_ENABLE_XSAVES: { word: 'secondary', bit: 20, sdm: 'enable XSAVES/XRSTORS' },
  SECONDARY_EXEC_PASID_TRANSLATION: { word: 'secondary', bit: 21, sdm: 'PASID translation' },
  SECONDARY_EXEC_MODE_BASED_EPT_EXEC: { word: 'secondary', bit: 22, sdm: 'mode-based execute control for EPT' },
  SECONDARY_EXEC_SUB_PAGE_WRITE_PERM: { word: 'secondary', bit: 23, sdm: 'sub-page write permissions for EPT' },
  SECONDARY_EXEC_PT_USE_GPA: { word: 'secondary', bit: 24, sdm: 'Intel PT uses guest physical addresses' },
  SECONDARY_EXEC_TSC_SCALING: { word: 'secondary', bit: 25, sdm: 'use TSC scaling' },
  SECONDARY_EXEC_ENABLE_USR_WAIT_PAUSE: { word: 'secondary', bit: 26, sdm: 'enable user wait and pause' },
  SECONDARY_EXEC_ENABLE_PCONFIG: { word: 'secondary', bit: 27, sdm: 'enable PCONFIG' },
  SECONDARY_EXEC_ENCLV_EXITING: { word: 'secondary', bit: 28, sdm: 'enable ENCLV exiting' },
  SECONDARY_EXEC_BUS_LOCK_DETECTION: { word: 'secondary', bit: 30, sdm: 'VMM bus-lock detection' },
  SECONDARY_EXEC_NOTIFY_VM_EXITING: { word: 'secondary', bit: 31, sdm: 'instruction timeout' },

  TERTIARY_EXEC_LOADIWKEY_EXITING: { word: 'tertiary', bit: 0, sdm: 'LOADIWKEY exiting' },
  TERTIARY_EXEC_ENABLE_HLAT: { word: 'tertiary', bit: 1, sdm: 'enable HLAT' },
  TERTIARY_EXEC_EPT_PAGING_WRITE: { word: 'tertiary', bit: 2, sdm: 'EPT paging-write control' },
  TERTIARY_EXEC_GUEST_PAGING_VERIFY: { word: 'tertiary', bit: 3, sdm: 'guest-paging verification' },
  TERTIARY_EXEC_IPI_VIRT: { word: 'tertiary', bit: 4, sdm: 'IPI virtualization' },
  TERTIARY_EXEC_SEAM_GPA_WIDTH: { word: 'tertiary', bit: 5, sdm: 'SEAM guest-physical address width' },
  TERTIARY_EXEC_ENABLE_MSRLIST: { word: 'tertiary', bit: 6, sdm: 'enable MSR-list instructions' },
  TERTIARY_EXEC_VIRT_SPEC_CTRL: { word: 'tertiary', bit: 7, sdm: 'virtualize IA32_SPEC_CTRL' },
  TERTIARY_EXEC_GUEST_APIC_TIMER: { word: 'tertiary', bit: 8, sdm: 'APIC-timer virtualization' },
  TERTIARY_EXEC_ENABLE_PBNDKB: { word: 'tertiary', bit: 9, sdm: 'enable PBNDKB' },
  TERTIARY_EXEC_PEBS_TO_GPA: { word: 'tertiary', bit: 12, sdm: 'PEBS writes to guest-physical addresses' },

  VM_EXIT_SAVE_DEBUG_CONTROLS: { word: 'exit', bit: 2, sdm: 'save debug controls' },
  VM_EXIT_HOST_ADDR_SPACE_SIZE: { word: 'exit', bit: 9, sdm: 'host address-space size' },
  VM_EXIT_LOAD_IA32_PERF_GLOBAL_CTRL: { word: 'exit', bit: 12, sdm: 'load IA32_PERF_GLOBAL_CTRL' },
  VM_EXIT_ACK_INTR_ON_EXIT: { word: 'exit', bit: 15, sdm: 'acknowledge interrupt on exit' },
  VM_EXIT_SAVE_IA32_PAT: { word: 'exit', bit: 18, sdm: 'save IA32_PAT' },
  VM_EXIT_LOAD_IA32_PAT: { word: 'exit', bit: 19, sdm: 'load IA32_PAT' },
  VM_EXIT_SAVE_IA32_EFER: { word: 'exit', bit: 20, sdm: 'save IA32_EFER' },
  VM_EXIT_LOAD_IA32_EFER: { word: 'exit', bit: 21, sdm: 'load IA32_EFER' },
  VM_EXIT_SAVE_VMX_PREEMPTION_TIMER: { word: 'exit', bit: 22, sdm: 'save VMX-preemption timer value' },
  VM_EXIT_CLEAR_BNDCFGS: { word: 'exit', bit: 23, sdm: 'clear IA32_BNDCFGS' },
  VM_EXIT_PT_CONCEAL_PIP: { word: 'exit', bit: 24, sdm: 'conceal VMX from PT' },
  VM_EXIT_CLEAR_IA32_RTIT_CTL: { word: 'exit', bit: 25, sdm: 'clear IA32_RTIT_CTL' },
  VM_EXIT_CLEAR_IA32_LBR_CTL: { word: 'exit', bit: 26, sdm: 'clear IA32_LBR_CTL' },
  VM_EXIT_CLEAR_UINV: { word: 'exit', bit: 27, sdm: 'clear UINV' },
  VM_EXIT_LOAD_CET_STATE: { word: 'exit', bit: 28, sdm: 'load CET state' },
  VM_EXIT_LOAD_IA32_PKRS: { word: 'exit', bit: 29, sdm: 'load PKRS' },
  VM_EXIT_SAVE_IA32_PERF_GLOBAL_CTRL: { word: 'exit', bit: 30, sdm: 'save IA32_PERF_GLOBAL_CTRL' },
  VM_EXIT_ACTIVATE_SECONDARY_CONTROLS: { word: 'exit', bit: 31, sdm: 'activate secondary controls' },

  VM_ENTRY_LOAD_DEBUG_CONTROLS: { word: 'entry', bit: 2, sdm: 'load debug controls' },
  VM_ENTRY_IA32E_MODE: { word: 'entry', bit: 9, sdm: 'IA-32e mode guest' },
  VM_ENTRY_SMM: { word: 'entry', bit: 10, sdm: 'entry to SMM' },
  VM_ENTRY_DEACT_DUAL_MONITOR: { word: 'entry', bit: 11, sdm: 'deactivate dual-monitor treatment' },
  VM_ENTRY_LOAD_IA32_PERF_GLOBAL_CTRL: { word: 'entry', bit: 13, sdm: 'load IA32_PERF_GLOBAL_CTRL' },
  VM_ENTRY_LOAD_IA32_PAT: { word: 'entry', bit: 14, sdm: 'load IA32_PAT' },
  VM_ENTRY_LOAD_IA32_EFER: { word: 'entry', bit: 15, sdm: 'load IA32_EFER' },
  VM_ENTRY_LOAD_BNDCFGS: { word: 'entry', bit: 16, sdm: 'load IA32_BNDCFGS' },
  VM_ENTRY_PT_CONCEAL_PIP: { word: 'entry', bit: 17, sdm: 'conceal VMX from PT' },
  VM_ENTRY_LOAD_IA32_RTIT_CTL: { word: 'entry', bit: 18, sdm: 'load IA32_RTIT_CTL' },
  VM_ENTRY_LOAD_UINV: { word: 'entry', bit: 19, sdm: 'load UINV' },
  VM_ENTRY_LOAD_CET_STATE: { word: 'entry', bit: 20, sdm: 'load CET state' },
  VM_ENTRY_LOAD_IA32_LBR_CTL: { word: 'entry', bit: 21, sdm: 'load guest IA32_LBR_CTL' },
  VM_ENTRY_LOAD_IA32_PKRS: { word: 'entry', bit: 22, sdm: 'load PKRS' },
  VM_ENTRY_LOAD_IA32_FRED: { word: 'entry', bit: 23, sdm: 'load FRED state' },
} as const satisfies Readonly<Record<string, ControlRow>>

export type ControlName = keyof typeof VMX_CONTROLS

/** The bit of a capability MSR that says the control may be 1: itself in the tertiary mask, else in the upper half. */
export const allowedOneBit = (control: ControlName): number => {
  const { word, bit } = VMX_CONTROLS[control]
  return word === 'tertiary' ? bit : bit + 32
}
