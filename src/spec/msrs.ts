/**
 * Model-specific registers by index (Intel SDM, "Architectural MSRs"; "Reporting the VMX Capabilities"; "x2APIC Register Address
 * Space") and KVM's paravirtual ones. Names are Linux's (`asm/msr-index.h`, uapi `asm/kvm_para.h`); where Linux has none, the SDM's
 * with `MSR_` before it. Which of them a CPU has is the CPU's business.
 */

import { X2APIC_MSRS } from './x2apic-msrs.ts'

export interface MsrRow {
  readonly index: number
  readonly sdm: string
}

export const MSRS = {
  MSR_IA32_TSC: { index: 0x10, sdm: 'time-stamp counter' },
  MSR_KVM_WALL_CLOCK: { index: 0x11, sdm: 'KVM: wall clock at boot, old index' },
  MSR_KVM_SYSTEM_TIME: { index: 0x12, sdm: 'KVM: system time, old index' },
  MSR_IA32_PLATFORM_ID: { index: 0x17, sdm: 'platform ID' },
  MSR_IA32_APICBASE: { index: 0x1b, sdm: 'IA32_APIC_BASE: base, BSP, x2APIC and global enable of the local APIC' },
  MSR_IA32_FEAT_CTL: { index: 0x3a, sdm: 'IA32_FEATURE_CONTROL: lock bit, VMXON permissions' },
  MSR_IA32_TSC_ADJUST: { index: 0x3b, sdm: 'time-stamp counter adjust' },
  MSR_IA32_SPEC_CTRL: { index: 0x48, sdm: 'speculation control' },
  MSR_IA32_PRED_CMD: { index: 0x49, sdm: 'prediction command' },
  MSR_IA32_UCODE_WRITE: { index: 0x79, sdm: 'microcode update trigger' },
  MSR_IA32_UCODE_REV: { index: 0x8b, sdm: 'microcode signature' },
  MSR_IA32_PERFCTR0: { index: 0xc1, sdm: 'general performance counter 0' },
  MSR_PLATFORM_INFO: { index: 0xce, sdm: 'platform information' },
  MSR_IA32_MPERF: { index: 0xe7, sdm: 'cycles at the nominal frequency' },
  MSR_IA32_APERF: { index: 0xe8, sdm: 'cycles at the actual frequency' },
  MSR_IA32_UMWAIT_CONTROL: { index: 0xe1, sdm: 'limits of UMWAIT and TPAUSE' },
  MSR_MTRRcap: { index: 0xfe, sdm: 'IA32_MTRRCAP: MTRR capability' },
  MSR_IA32_ARCH_CAPABILITIES: { index: 0x10a, sdm: 'enumeration of architectural capabilities' },
  MSR_IA32_FLUSH_CMD: { index: 0x10b, sdm: 'flush command' },
  MSR_IA32_TSX_CTRL: { index: 0x122, sdm: 'TSX control' },
  MSR_MISC_FEATURES_ENABLES: { index: 0x140, sdm: 'CPUID faulting and MONITOR at any ring' },
  MSR_IA32_SYSENTER_CS: { index: 0x174, sdm: 'CS of SYSENTER' },
  MSR_IA32_SYSENTER_ESP: { index: 0x175, sdm: 'RSP of SYSENTER' },
  MSR_IA32_SYSENTER_EIP: { index: 0x176, sdm: 'RIP of SYSENTER' },
  MSR_IA32_MCG_CAP: { index: 0x179, sdm: 'machine-check capability' },
  MSR_IA32_MCG_STATUS: { index: 0x17a, sdm: 'machine-check status' },
  MSR_ARCH_PERFMON_EVENTSEL0: { index: 0x186, sdm: 'IA32_PERFEVTSEL0: performance event select 0' },
  MSR_IA32_MISC_ENABLE: { index: 0x1a0, sdm: 'enable miscellaneous processor features' },
  MSR_IA32_XFD: { index: 0x1c4, sdm: 'extended feature disable' },
  MSR_IA32_XFD_ERR: { index: 0x1c5, sdm: 'extended feature disable error' },
  MSR_IA32_FRED_RSP0: { index: 0x1cc, sdm: 'FRED stack pointer, level 0' },
  MSR_IA32_FRED_RSP1: { index: 0x1cd, sdm: 'FRED stack pointer, level 1' },
  MSR_IA32_FRED_RSP2: { index: 0x1ce, sdm: 'FRED stack pointer, level 2' },
  MSR_IA32_FRED_RSP3: { index: 0x1cf, sdm: 'FRED stack pointer, level 3' },
  MSR_IA32_FRED_STKLVLS: { index: 0x1d0, sdm: 'FRED stack levels of exceptions' },
  MSR_IA32_FRED_SSP1: { index: 0x1d1, sdm: 'FRED shadow-stack pointer, level 1' },
  MSR_IA32_FRED_SSP2: { index: 0x1d2, sdm: 'FRED shadow-stack pointer, level 2' },
  MSR_IA32_FRED_SSP3: { index: 0x1d3, sdm: 'FRED shadow-stack pointer, level 3' },
  MSR_IA32_FRED_CONFIG: { index: 0x1d4, sdm: 'FRED entry point and configuration' },
  MSR_IA32_DEBUGCTLMSR: { index: 0x1d9, sdm: 'IA32_DEBUGCTL: trace, profile and LBR control' },

  // Memory types. The variable ranges are pairs, base then mask.
  MSR_MTRRphysBase0: { index: 0x200, sdm: 'IA32_MTRR_PHYSBASE0' },
  MSR_MTRRphysMask0: { index: 0x201, sdm: 'IA32_MTRR_PHYSMASK0' },
  MSR_MTRRphysBase1: { index: 0x202, sdm: 'IA32_MTRR_PHYSBASE1' },
  MSR_MTRRphysMask1: { index: 0x203, sdm: 'IA32_MTRR_PHYSMASK1' },
  MSR_MTRRphysBase2: { index: 0x204, sdm: 'IA32_MTRR_PHYSBASE2' },
  MSR_MTRRphysMask2: { index: 0x205, sdm: 'IA32_MTRR_PHYSMASK2' },
  MSR_MTRRphysBase3: { index: 0x206, sdm: 'IA32_MTRR_PHYSBASE3' },
  MSR_MTRRphysMask3: { index: 0x207, sdm: 'IA32_MTRR_PHYSMASK3' },
  MSR_MTRRphysBase4: { index: 0x208, sdm: 'IA32_MTRR_PHYSBASE4' },
  MSR_MTRRphysMask4: { index: 0x209, sdm: 'IA32_MTRR_PHYSMASK4' },
  MSR_MTRRphysBase5: { index: 0x20a, sdm: 'IA32_MTRR_PHYSBASE5' },
  MSR_MTRRphysMask5: { index: 0x20b, sdm: 'IA32_MTRR_PHYSMASK5' },
  MSR_MTRRphysBase6: { index: 0x20c, sdm: 'IA32_MTRR_PHYSBASE6' },
  MSR_MTRRphysMask6: { index: 0x20d, sdm: 'IA32_MTRR_PHYSMASK6' },
  MSR_MTRRphysBase7: { index: 0x20e, sdm: 'IA32_MTRR_PHYSBASE7' },
  MSR_MTRRphysMask7: { index: 0x20f, sdm: 'IA32_MTRR_PHYSMASK7' },
  MSR_MTRRfix64K_00000: { index: 0x250, sdm: 'IA32_MTRR_FIX64K_00000' },
  MSR_MTRRfix16K_80000: { index: 0x258, sdm: 'IA32_MTRR_FIX16K_80000' },
  MSR_MTRRfix16K_A0000: { index: 0x259, sdm: 'IA32_MTRR_FIX16K_A0000' },
  MSR_MTRRfix4K_C0000: { index: 0x268, sdm: 'IA32_MTRR_FIX4K_C0000' },
  MSR_MTRRfix4K_C8000: { index: 0x269, sdm: 'IA32_MTRR_FIX4K_C8000' },
  MSR_MTRRfix4K_D0000: { index: 0x26a, sdm: 'IA32_MTRR_FIX4K_D0000' },
  MSR_MTRRfix4K_D8000: { index: 0x26b, sdm: 'IA32_MTRR_FIX4K_D8000' },
  MSR_MTRRfix4K_E0000: { index: 0x26c, sdm: 'IA32_MTRR_FIX4K_E0000' },
  MSR_MTRRfix4K_E8000: { index: 0x26d, sdm: 'IA32_MTRR_FIX4K_E8000' },
  MSR_MTRRfix4K_F0000: { index: 0x26e, sdm: 'IA32_MTRR_FIX4K_F0000' },
  MSR_MTRRfix4K_F8000: { index: 0x26f, sdm: 'IA32_MTRR_FIX4K_F8000' },
  MSR_IA32_CR_PAT: { index: 0x277, sdm: 'IA32_PAT: page attribute table' },
  MSR_MTRRdefType: { index: 0x2ff, sdm: 'IA32_MTRR_DEF_TYPE: default type, enables' },

  // Performance monitoring.
  MSR_CORE_PERF_FIXED_CTR0: { index: 0x309, sdm: 'fixed performance counter 0' },
  MSR_IA32_PERF_CAPABILITIES: { index: 0x345, sdm: 'performance-monitoring capabilities' },
  MSR_CORE_PERF_FIXED_CTR_CTRL: { index: 0x38d, sdm: 'fixed performance counter control' },
  MSR_CORE_PERF_GLOBAL_STATUS: { index: 0x38e, sdm: 'IA32_PERF_GLOBAL_STATUS' },
  MSR_CORE_PERF_GLOBAL_CTRL: { index: 0x38f, sdm: 'IA32_PERF_GLOBAL_CTRL' },
  MSR_CORE_PERF_GLOBAL_OVF_CTRL: { index: 0x390, sdm: 'IA32_PERF_GLOBAL_OVF_CTRL' },

  // VMX capabilities.
  MSR_IA32_VMX_BASIC: { index: 0x480, sdm: 'VMCS revision identifier, region size, memory type' },
  MSR_IA32_VMX_PINBASED_CTLS: { index: 0x481, sdm: 'pin-based controls' },
  MSR_IA32_VMX_PROCBASED_CTLS: { index: 0x482, sdm: 'primary processor-based controls' },
  MSR_IA32_VMX_EXIT_CTLS: { index: 0x483, sdm: 'VM-exit controls' },
  MSR_IA32_VMX_ENTRY_CTLS: { index: 0x484, sdm: 'VM-entry controls' },
  MSR_IA32_VMX_MISC: { index: 0x485, sdm: 'preemption-timer rate, activity states and other limits' },
  MSR_IA32_VMX_CR0_FIXED0: { index: 0x486, sdm: 'CR0 bits fixed to 1 in VMX operation' },
  MSR_IA32_VMX_CR0_FIXED1: { index: 0x487, sdm: 'CR0 bits that may be 1 in VMX operation' },
  MSR_IA32_VMX_CR4_FIXED0: { index: 0x488, sdm: 'CR4 bits fixed to 1 in VMX operation' },
  MSR_IA32_VMX_CR4_FIXED1: { index: 0x489, sdm: 'CR4 bits that may be 1 in VMX operation' },
  MSR_IA32_VMX_VMCS_ENUM: { index: 0x48a, sdm: 'highest index of a VMCS field' },
  MSR_IA32_VMX_PROCBASED_CTLS2: { index: 0x48b, sdm: 'secondary processor-based controls' },
  MSR_IA32_VMX_EPT_VPID_CAP: { index: 0x48c, sdm: 'capabilities of EPT and VPIDs' },
  MSR_IA32_VMX_TRUE_PINBASED_CTLS: { index: 0x48d, sdm: 'pin-based controls, with default1 bits that may be 0' },
  MSR_IA32_VMX_TRUE_PROCBASED_CTLS: { index: 0x48e, sdm: 'primary processor-based controls, with default1 bits that may be 0' },
  MSR_IA32_VMX_TRUE_EXIT_CTLS: { index: 0x48f, sdm: 'VM-exit controls, with default1 bits that may be 0' },
  MSR_IA32_VMX_TRUE_ENTRY_CTLS: { index: 0x490, sdm: 'VM-entry controls, with default1 bits that may be 0' },
  MSR_IA32_VMX_VMFUNC: { index: 0x491, sdm: 'VM functions' },
  MSR_IA32_VMX_PROCBASED_CTLS3: { index: 0x492, sdm: 'tertiary processor-based controls that may be 1' },
  MSR_IA32_VMX_EXIT_CTLS2: { index: 0x493, sdm: 'secondary VM-exit controls that may be 1' },

  MSR_IA32_U_CET: { index: 0x6a0, sdm: 'CET in user mode' },
  MSR_IA32_S_CET: { index: 0x6a2, sdm: 'CET in supervisor mode' },
  MSR_IA32_PL0_SSP: { index: 0x6a4, sdm: 'shadow-stack pointer, ring 0' },
  MSR_IA32_PL1_SSP: { index: 0x6a5, sdm: 'shadow-stack pointer, ring 1' },
  MSR_IA32_PL2_SSP: { index: 0x6a6, sdm: 'shadow-stack pointer, ring 2' },
  MSR_IA32_PL3_SSP: { index: 0x6a7, sdm: 'shadow-stack pointer, ring 3' },
  MSR_IA32_INT_SSP_TAB: { index: 0x6a8, sdm: 'interrupt shadow-stack table' },
  MSR_IA32_TSC_DEADLINE: { index: 0x6e0, sdm: 'TSC target of the local APIC timer in TSC-deadline mode' },
  ...X2APIC_MSRS,
  MSR_IA32_PASID: { index: 0xd93, sdm: 'process address-space identifier' },
  MSR_IA32_XSS: { index: 0xda0, sdm: 'extended supervisor state mask' },

  // KVM's paravirtual interface.
  MSR_KVM_WALL_CLOCK_NEW: { index: 0x4b56_4d00, sdm: 'KVM: wall clock at boot' },
  MSR_KVM_SYSTEM_TIME_NEW: { index: 0x4b56_4d01, sdm: 'KVM: system time' },
  MSR_KVM_ASYNC_PF_EN: { index: 0x4b56_4d02, sdm: 'KVM: asynchronous page faults' },
  MSR_KVM_STEAL_TIME: { index: 0x4b56_4d03, sdm: 'KVM: steal time' },
  MSR_KVM_PV_EOI_EN: { index: 0x4b56_4d04, sdm: 'KVM: EOI without an exit' },
  MSR_KVM_POLL_CONTROL: { index: 0x4b56_4d05, sdm: 'KVM: halt polling by the host' },
  MSR_KVM_ASYNC_PF_INT: { index: 0x4b56_4d06, sdm: 'KVM: vector of asynchronous page faults' },
  MSR_KVM_ASYNC_PF_ACK: { index: 0x4b56_4d07, sdm: 'KVM: acknowledge of asynchronous page faults' },
  MSR_KVM_MIGRATION_CONTROL: { index: 0x4b56_4d08, sdm: 'KVM: whether the guest may migrate' },

  // The syscall family and 64-bit bases.
  MSR_EFER: { index: 0xc000_0080, sdm: 'IA32_EFER: extended feature enables' },
  MSR_STAR: { index: 0xc000_0081, sdm: 'IA32_STAR: segment selectors of SYSCALL and SYSRET' },
  MSR_LSTAR: { index: 0xc000_0082, sdm: 'IA32_LSTAR: RIP of SYSCALL from 64-bit code' },
  MSR_CSTAR: { index: 0xc000_0083, sdm: 'IA32_CSTAR: RIP of SYSCALL from compatibility mode' },
  MSR_SYSCALL_MASK: { index: 0xc000_0084, sdm: 'IA32_FMASK: RFLAGS bits that SYSCALL clears' },
  MSR_FS_BASE: { index: 0xc000_0100, sdm: 'IA32_FS_BASE' },
  MSR_GS_BASE: { index: 0xc000_0101, sdm: 'IA32_GS_BASE' },
  MSR_KERNEL_GS_BASE: { index: 0xc000_0102, sdm: 'IA32_KERNEL_GS_BASE: what SWAPGS swaps with' },
  MSR_TSC_AUX: { index: 0xc000_0103, sdm: 'IA32_TSC_AUX: what RDTSCP puts in ECX' },
} as const satisfies Readonly<Record<string, MsrRow>>

export type MsrName = keyof typeof MSRS

const names: ReadonlyMap<number, MsrName> = new Map(Object.entries(MSRS).map(([name, row]) => [row.index, name as MsrName]))

export const msrName = (index: number): MsrName | undefined => names.get(index)
