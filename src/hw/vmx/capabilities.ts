/**
 * The VMX capability MSRs (Intel SDM, "VMX Capability Reporting Facility"), worked out from one list: the controls that this CPU
 * implements. A control that is not in the list is reported as not settable.
 *
 *     63             32 31              0
 *     | may be 1       | must be 1       |      of each control word; the tertiary one is a plain mask of what may be 1
 */

import type { CpuFeature } from '../../spec/cpu-models.ts'
import { cr4Bits } from '../../spec/cr4-features.ts'
import { MSRS, type MsrName } from '../../spec/msrs.ts'
import { type ControlName, type ControlWord, VMX_CONTROLS } from '../../spec/vmx-controls.ts'
import { VMCS_REVISION } from './vmcs.ts'

const IMPLEMENTED: readonly ControlName[] = [
  'PIN_BASED_EXT_INTR_MASK',
  'PIN_BASED_NMI_EXITING',
  'PIN_BASED_VIRTUAL_NMIS',
  'PIN_BASED_POSTED_INTR',
  'PIN_BASED_VMX_PREEMPTION_TIMER',
  'CPU_BASED_INTR_WINDOW_EXITING',
  'CPU_BASED_USE_TSC_OFFSETTING',
  'CPU_BASED_HLT_EXITING',
  'CPU_BASED_INVLPG_EXITING',
  'CPU_BASED_MWAIT_EXITING',
  'CPU_BASED_RDPMC_EXITING',
  'CPU_BASED_RDTSC_EXITING',
  'CPU_BASED_CR3_LOAD_EXITING',
  'CPU_BASED_CR3_STORE_EXITING',
  'CPU_BASED_CR8_LOAD_EXITING',
  'CPU_BASED_CR8_STORE_EXITING',
  'CPU_BASED_TPR_SHADOW',
  'CPU_BASED_NMI_WINDOW_EXITING',
  'CPU_BASED_MONITOR_TRAP_FLAG',
  'CPU_BASED_MOV_DR_EXITING',
  'CPU_BASED_UNCOND_IO_EXITING',
  'CPU_BASED_USE_IO_BITMAPS',
  'CPU_BASED_USE_MSR_BITMAPS',
  'CPU_BASED_MONITOR_EXITING',
  'CPU_BASED_PAUSE_EXITING',
  'CPU_BASED_ACTIVATE_SECONDARY_CONTROLS',
  'SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES',
  'SECONDARY_EXEC_ENABLE_EPT',
  'SECONDARY_EXEC_DESC',
  'SECONDARY_EXEC_ENABLE_RDTSCP',
  'SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE',
  'SECONDARY_EXEC_ENABLE_VPID',
  'SECONDARY_EXEC_WBINVD_EXITING',
  'SECONDARY_EXEC_UNRESTRICTED_GUEST',
  'SECONDARY_EXEC_APIC_REGISTER_VIRT',
  'SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY',
  'SECONDARY_EXEC_PAUSE_LOOP_EXITING',
  'SECONDARY_EXEC_RDRAND_EXITING',
  'SECONDARY_EXEC_ENABLE_INVPCID',
  'SECONDARY_EXEC_ENABLE_VMFUNC',
  'SECONDARY_EXEC_SHADOW_VMCS',
  'SECONDARY_EXEC_RDSEED_EXITING',
  'SECONDARY_EXEC_ENABLE_PML',
  'SECONDARY_EXEC_ENABLE_XSAVES',
  'SECONDARY_EXEC_TSC_SCALING',
  'VM_EXIT_SAVE_DEBUG_CONTROLS',
  'VM_EXIT_HOST_ADDR_SPACE_SIZE',
  'VM_EXIT_ACK_INTR_ON_EXIT',
  'VM_EXIT_SAVE_IA32_PAT',
  'VM_EXIT_LOAD_IA32_PAT',
  'VM_EXIT_SAVE_IA32_EFER',
  'VM_EXIT_LOAD_IA32_EFER',
  'VM_EXIT_SAVE_VMX_PREEMPTION_TIMER',
  'VM_ENTRY_LOAD_DEBUG_CONTROLS',
  'VM_ENTRY_IA32E_MODE',
  'VM_ENTRY_LOAD_IA32_PAT',
  'VM_ENTRY_LOAD_IA32_EFER',
]

/** The default1 class: reserved bits that must be 1 (SDM appendix, "Reserved Controls and Default Settings"). */
const DEFAULT_ONE: Readonly<Record<Exclude<ControlWord, 'tertiary'>, number>> = {
  pin: 0x16,
  primary: 0x0401_e172,
  secondary: 0,
  exit: 0x0003_6dff,
  entry: 0x11ff,
}

/** Default1 controls that the TRUE MSRs let be 0: CR3 load and store exiting, save and load debug controls. */
const TRUE_MAY_BE_ZERO: Readonly<Record<'pin' | 'primary' | 'exit' | 'entry', number>> = {
  pin: 0,
  primary: 0x1_8000,
  exit: 0x4,
  entry: 0x4,
}

/** The preemption timer counts once every 2^5 ticks. */
export const PREEMPTION_TIMER_RATE = 5

const MISC_STORE_LMA = 1 << 5
/** HLT, shutdown and wait-for-SIPI. */
const MISC_ACTIVITIES = 7 << 6
/** As many CR3-target values. */
const MISC_CR3_TARGETS = 4 << 16
const MISC_VMWRITE_ANY_FIELD = 1 << 29
/** Software interrupts and exceptions may be injected with an instruction length of 0. */
const MISC_ZERO_LENGTH = 1 << 30

/** Highest index of a field, times two (SDM, "VMCS Enumeration"): 0x27 is the guest deadline shadow, 0x19 the TSC multiplier. */
const VMCS_ENUM = { withTimer: 0x4e, withTertiary: 0x34, plain: 0x32 } as const

/** Execute-only, 4-level walk, WB and UC memory types, 2-MByte and 1-GByte pages, accessed and dirty flags, INVEPT and INVVPID of every type. */
const EPT_VPID_CAP =
  (1n << 0n) | (1n << 6n) | (1n << 8n) | (1n << 14n) | (1n << 16n) | (1n << 17n) | (1n << 20n) | (1n << 21n) | (3n << 25n) | (0xf01n << 32n)

/** VM function 0. */
const EPTP_SWITCHING = 1n

const controlMask = (word: ControlWord): number => {
  let mask = 0
  for (const name of IMPLEMENTED) if (VMX_CONTROLS[name].word === word) mask |= 1 << VMX_CONTROLS[name].bit
  return mask >>> 0
}

const pair = (mustBeOne: number, mayBeOne: number): bigint => (BigInt(mayBeOne >>> 0) << 32n) | BigInt(mustBeOne >>> 0)

/** The capability MSRs of a CPU with these features, by index; none without VMX. */
export function capabilityMsrs(features: ReadonlySet<CpuFeature>): Record<number, bigint> {
  if (!features.has('vmx')) return {}
  const tertiary = features.has('vmx-tertiary-ctls')
  const timer = tertiary && features.has('apic-timer-virt')
  const msrs: Record<number, bigint> = {}
  const set = (name: MsrName, value: bigint) => {
    msrs[MSRS[name].index] = value
  }
  const words = {
    pin: ['MSR_IA32_VMX_PINBASED_CTLS', 'MSR_IA32_VMX_TRUE_PINBASED_CTLS'],
    primary: ['MSR_IA32_VMX_PROCBASED_CTLS', 'MSR_IA32_VMX_TRUE_PROCBASED_CTLS'],
    exit: ['MSR_IA32_VMX_EXIT_CTLS', 'MSR_IA32_VMX_TRUE_EXIT_CTLS'],
    entry: ['MSR_IA32_VMX_ENTRY_CTLS', 'MSR_IA32_VMX_TRUE_ENTRY_CTLS'],
  } as const
  for (const word of ['pin', 'primary', 'exit', 'entry'] as const) {
    const one = DEFAULT_ONE[word]
    const extra = word === 'primary' && tertiary ? 1 << VMX_CONTROLS.CPU_BASED_ACTIVATE_TERTIARY_CONTROLS.bit : 0
    const may = controlMask(word) | one | extra
    set(words[word][0], pair(one, may))
    set(words[word][1], pair(one & ~TRUE_MAY_BE_ZERO[word], may))
  }
  set('MSR_IA32_VMX_BASIC', BigInt(VMCS_REVISION) | (4096n << 32n) | (6n << 50n) | (1n << 54n) | (1n << 55n))
  set(
    'MSR_IA32_VMX_MISC',
    BigInt(PREEMPTION_TIMER_RATE | MISC_STORE_LMA | MISC_ACTIVITIES | MISC_CR3_TARGETS | MISC_VMWRITE_ANY_FIELD | MISC_ZERO_LENGTH),
  )
  set('MSR_IA32_VMX_CR0_FIXED0', 0x8000_0021n)
  set('MSR_IA32_VMX_CR0_FIXED1', 0xffff_ffffn)
  set('MSR_IA32_VMX_CR4_FIXED0', 0x2000n)
  set(
    'MSR_IA32_VMX_CR4_FIXED1',
    cr4Bits(feature => (features as ReadonlySet<string>).has(feature)),
  )
  set('MSR_IA32_VMX_VMCS_ENUM', BigInt(timer ? VMCS_ENUM.withTimer : tertiary ? VMCS_ENUM.withTertiary : VMCS_ENUM.plain))
  set('MSR_IA32_VMX_PROCBASED_CTLS2', pair(0, controlMask('secondary')))
  set('MSR_IA32_VMX_EPT_VPID_CAP', EPT_VPID_CAP)
  set('MSR_IA32_VMX_VMFUNC', EPTP_SWITCHING)
  if (tertiary) set('MSR_IA32_VMX_PROCBASED_CTLS3', timer ? 1n << BigInt(VMX_CONTROLS.TERTIARY_EXEC_GUEST_APIC_TIMER.bit) : 0n)
  return msrs
}
