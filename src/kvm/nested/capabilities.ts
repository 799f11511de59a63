/**
 * The VMX capability MSRs that a guest hypervisor sees (Linux `nested_vmx_setup_ctls_msrs`, `vmx_get_vmx_msr`, `vmx_set_vmx_msr`):
 * of what the processor has, what KVM can emulate. User space may take more away from a vCPU, but add nothing.
 *
 * The plain control MSRs follow from the TRUE ones, with the default1 class set; only the latter are kept.
 */

import { high32, low32, shiftRight } from '../../base/u64.ts'
import { cr4Bits } from '../../spec/cr4-features.ts'
import { MSRS } from '../../spec/msrs.ts'
import { allowedOneBit, type ControlName, type ControlWord, VMX_CONTROLS } from '../../spec/vmx-controls.ts'
import { type CpuidEntry, hasFeature } from '../cpuid.ts'
import type { KvmParameters } from '../parameters.ts'
import { VMCS12_REVISION, VMCS12_SIZE } from './vmcs12.ts'

/** What KVM can emulate for its guest, where the processor has it. */
const OFFERED: readonly ControlName[] = [
  'PIN_BASED_EXT_INTR_MASK',
  'PIN_BASED_NMI_EXITING',
  'PIN_BASED_VIRTUAL_NMIS',
  'PIN_BASED_VMX_PREEMPTION_TIMER',
  'CPU_BASED_INTR_WINDOW_EXITING',
  'CPU_BASED_NMI_WINDOW_EXITING',
  'CPU_BASED_USE_TSC_OFFSETTING',
  'CPU_BASED_HLT_EXITING',
  'CPU_BASED_INVLPG_EXITING',
  'CPU_BASED_MWAIT_EXITING',
  'CPU_BASED_CR3_LOAD_EXITING',
  'CPU_BASED_CR3_STORE_EXITING',
  'CPU_BASED_CR8_LOAD_EXITING',
  'CPU_BASED_CR8_STORE_EXITING',
  'CPU_BASED_MOV_DR_EXITING',
  'CPU_BASED_UNCOND_IO_EXITING',
  'CPU_BASED_USE_IO_BITMAPS',
  'CPU_BASED_MONITOR_TRAP_FLAG',
  'CPU_BASED_MONITOR_EXITING',
  'CPU_BASED_RDPMC_EXITING',
  'CPU_BASED_RDTSC_EXITING',
  'CPU_BASED_PAUSE_EXITING',
  'CPU_BASED_TPR_SHADOW',
  'CPU_BASED_USE_MSR_BITMAPS',
  'CPU_BASED_ACTIVATE_SECONDARY_CONTROLS',
  'SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES',
  'SECONDARY_EXEC_ENABLE_EPT',
  'SECONDARY_EXEC_DESC',
  'SECONDARY_EXEC_ENABLE_RDTSCP',
  'SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE',
  'SECONDARY_EXEC_ENABLE_VPID',
  'SECONDARY_EXEC_WBINVD_EXITING',
  'SECONDARY_EXEC_UNRESTRICTED_GUEST',
  'SECONDARY_EXEC_RDRAND_EXITING',
  'SECONDARY_EXEC_ENABLE_INVPCID',
  'SECONDARY_EXEC_RDSEED_EXITING',
  'SECONDARY_EXEC_ENABLE_XSAVES',
  'SECONDARY_EXEC_TSC_SCALING',
  'SECONDARY_EXEC_ENABLE_USR_WAIT_PAUSE',
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

/** These want APICv in KVM itself. */
const OFFERED_WITH_APICV: readonly ControlName[] = [
  'PIN_BASED_POSTED_INTR',
  'SECONDARY_EXEC_APIC_REGISTER_VIRT',
  'SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY',
]

type TrueWord = 'pin' | 'primary' | 'exit' | 'entry'

/** Reserved bits that must be 1, and those of them that the TRUE MSRs let be 0. */
const DEFAULT_ONE: Readonly<Record<TrueWord, { readonly all: number; readonly mayBeZero: number }>> = {
  pin: { all: 0x16, mayBeZero: 0 },
  primary: { all: 0x0401_e172, mayBeZero: 0x1_8000 },
  exit: { all: 0x0003_6dff, mayBeZero: 0x4 },
  entry: { all: 0x11ff, mayBeZero: 0x4 },
}

const WORD_MSRS = {
  pin: { plain: MSRS.MSR_IA32_VMX_PINBASED_CTLS.index, exact: MSRS.MSR_IA32_VMX_TRUE_PINBASED_CTLS.index },
  primary: { plain: MSRS.MSR_IA32_VMX_PROCBASED_CTLS.index, exact: MSRS.MSR_IA32_VMX_TRUE_PROCBASED_CTLS.index },
  exit: { plain: MSRS.MSR_IA32_VMX_EXIT_CTLS.index, exact: MSRS.MSR_IA32_VMX_TRUE_EXIT_CTLS.index },
  entry: { plain: MSRS.MSR_IA32_VMX_ENTRY_CTLS.index, exact: MSRS.MSR_IA32_VMX_TRUE_ENTRY_CTLS.index },
} as const satisfies Readonly<Record<TrueWord, { plain: number; exact: number }>>

const WORDS: readonly TrueWord[] = ['pin', 'primary', 'exit', 'entry']

const BASIC = MSRS.MSR_IA32_VMX_BASIC.index
const MISC = MSRS.MSR_IA32_VMX_MISC.index
const SECONDARY = MSRS.MSR_IA32_VMX_PROCBASED_CTLS2.index
const TERTIARY = MSRS.MSR_IA32_VMX_PROCBASED_CTLS3.index
const PRIMARY = WORD_MSRS.primary.exact
const VMCS_ENUM = MSRS.MSR_IA32_VMX_VMCS_ENUM.index
const EPT_VPID = MSRS.MSR_IA32_VMX_EPT_VPID_CAP.index
const VMFUNC = MSRS.MSR_IA32_VMX_VMFUNC.index
const CR0_FIXED0 = MSRS.MSR_IA32_VMX_CR0_FIXED0.index
const CR0_FIXED1 = MSRS.MSR_IA32_VMX_CR0_FIXED1.index
const CR4_FIXED0 = MSRS.MSR_IA32_VMX_CR4_FIXED0.index
const CR4_FIXED1 = MSRS.MSR_IA32_VMX_CR4_FIXED1.index

export const FIRST_VMX_MSR = BASIC
export const LAST_VMX_MSR = TERTIARY

const TERTIARY_ALLOWED = 1n << BigInt(allowedOneBit('CPU_BASED_ACTIVATE_TERTIARY_CONTROLS'))
const TIMER = 1n << BigInt(VMX_CONTROLS.TERTIARY_EXEC_GUEST_APIC_TIMER.bit)
const IN_OUT_AND_TRUE = (1n << 54n) | (1n << 55n)
const WRITE_BACK = 6n << 50n
/** The preemption timer is emulated at this rate; LMA is stored, HLT is an activity state, every field may be written. */
const MISC_OFFERED = 5n | (1n << 5n) | (1n << 6n) | (1n << 29n)
/** Execute-only, 4 levels, write-back, 2-MByte and 1-GByte pages, accessed and dirty flags, INVEPT by context and for all. */
const EPT_OFFERED = (1n << 0n) | (1n << 6n) | (1n << 14n) | (1n << 16n) | (1n << 17n) | (1n << 20n) | (1n << 21n) | (3n << 25n)
const VPID_OFFERED = 0xf01n << 32n

export type ReadCapability = (msr: number) => bigint

const hasTertiary = (msrs: Readonly<Record<number, bigint>>): boolean => ((msrs[PRIMARY] ?? 0n) & TERTIARY_ALLOWED) !== 0n

/** Whether the vCPU may use the tertiary controls, and of them the guest timer. */
export const offersTertiary = hasTertiary
export const offersGuestTimer = (msrs: Readonly<Record<number, bigint>>): boolean =>
  hasTertiary(msrs) && ((msrs[TERTIARY] ?? 0n) & TIMER) !== 0n

/** Highest index of a field of vmcs12, times two: the deadline shadow, the tertiary controls, or the TSC multiplier. */
const vmcsEnum = (msrs: Readonly<Record<number, bigint>>): bigint => (offersGuestTimer(msrs) ? 0x4en : hasTertiary(msrs) ? 0x34n : 0x32n)

/**
 * What the module offers on this processor. `apicTimer`: `apic_timer_virt`, `nested_apic_timer_virt`, and an in-kernel local APIC to
 * go with it. Without the tertiary controls 0x492 is absent.
 */
export function nestedVmxMsrs(read: ReadCapability, parameters: KvmParameters): Record<number, bigint> {
  const offered = parameters.enable_apicv ? [...OFFERED, ...OFFERED_WITH_APICV] : OFFERED
  const mayBeOne = (word: ControlWord, allowed: bigint): number => {
    let mask = 0
    for (const name of offered) {
      const { word: of, bit } = VMX_CONTROLS[name]
      if (of === word && (shiftRight(allowed, allowedOneBit(name)) & 1n) === 1n) mask |= 1 << bit
    }
    return mask >>> 0
  }
  const msrs: Record<number, bigint> = {}
  for (const word of WORDS) {
    const { all, mayBeZero } = DEFAULT_ONE[word]
    const may = (mayBeOne(word, read(WORD_MSRS[word].exact)) | all) >>> 0
    msrs[WORD_MSRS[word].exact] = (BigInt(may) << 32n) | BigInt((all & ~mayBeZero) >>> 0)
  }
  msrs[SECONDARY] = BigInt(mayBeOne('secondary', read(SECONDARY))) << 32n
  const timer = parameters.apic_timer_virt && parameters.nested_apic_timer_virt && hostHasTimer(read)
  if (timer) {
    msrs[PRIMARY]! |= TERTIARY_ALLOWED
    msrs[TERTIARY] = TIMER
  }
  msrs[BASIC] = BigInt(VMCS12_REVISION) | (BigInt(VMCS12_SIZE) << 32n) | WRITE_BACK | IN_OUT_AND_TRUE
  msrs[MISC] = MISC_OFFERED
  msrs[CR0_FIXED0] = read(CR0_FIXED0)
  msrs[CR0_FIXED1] = read(CR0_FIXED1)
  msrs[CR4_FIXED0] = read(CR4_FIXED0)
  msrs[CR4_FIXED1] = read(CR4_FIXED1)
  msrs[EPT_VPID] = read(EPT_VPID) & (EPT_OFFERED | VPID_OFFERED)
  msrs[VMFUNC] = 0n
  msrs[VMCS_ENUM] = vmcsEnum(msrs)
  return msrs
}

const hostHasTimer = (read: ReadCapability): boolean => (read(PRIMARY) & TERTIARY_ALLOWED) !== 0n && (read(TERTIARY) & TIMER) !== 0n

/** The plain MSR of a control word that has a TRUE one. */
const plainWord = (index: number): TrueWord | undefined => WORDS.find(word => WORD_MSRS[word].plain === index)

/** The value of a capability MSR, null where there is none. */
export function readVmxMsr(msrs: Readonly<Record<number, bigint>>, index: number): bigint | null {
  const word = plainWord(index)
  if (word !== undefined) return msrs[WORD_MSRS[word].exact]! | BigInt(DEFAULT_ONE[word].all)
  return msrs[index] ?? null
}

/** RDMSR by the guest: 0x492 exists only where its own primary controls can activate the tertiary ones. */
export const guestReadVmxMsr = (msrs: Readonly<Record<number, bigint>>, index: number): bigint | null =>
  index === TERTIARY && !hasTertiary(msrs) ? null : readVmxMsr(msrs, index)

/** CR4 may hold what the guest's CPUID tells of, in VMX operation too (Linux `nested_vmx_cr_fixed1_bits_update`). */
export function followCpuid(msrs: Record<number, bigint>, cpuid: readonly CpuidEntry[]): void {
  if (msrs[CR4_FIXED1] !== undefined) msrs[CR4_FIXED1] = cr4Bits(feature => hasFeature(cpuid, feature))
}

/** The capability MSRs of the processor that a guest with these sees: all that its RDMSR reads, by index. */
export function guestVmxMsrs(msrs: Readonly<Record<number, bigint>>): Record<number, bigint> {
  const seen: Record<number, bigint> = {}
  for (let index = FIRST_VMX_MSR; index <= LAST_VMX_MSR; index++) {
    const value = guestReadVmxMsr(msrs, index)
    if (value !== null) seen[index] = value
  }
  return seen
}

/** `value` has no bit that `supported` lacks. */
const isSubset = (value: bigint, supported: bigint): boolean => (value & ~supported) === 0n

/**
 * User space sets a capability MSR (Linux `vmx_set_vmx_msr`); false where KVM refuses. What must be 1 stays so, and nothing is added
 * to what the module offers.
 */
export function writeVmxMsr(
  msrs: Record<number, bigint>,
  supported: Readonly<Record<number, bigint>>,
  index: number,
  value: bigint,
): boolean {
  const offered = supported[index]
  if (offered === undefined || !mayHold(index, value, offered)) return false
  msrs[index] = value
  return true
}

function mayHold(index: number, value: bigint, offered: bigint): boolean {
  switch (index) {
    case BASIC:
    case CR0_FIXED1:
    case CR4_FIXED1:
      return value === offered
    case VMCS_ENUM:
      return true
    case CR0_FIXED0:
    case CR4_FIXED0:
      return isSubset(offered, value)
    case MISC:
      return (value & 0x1fn) === (offered & 0x1fn) && isSubset(value & ~0x1fn, offered)
    case EPT_VPID:
    case VMFUNC:
    case TERTIARY:
      return isSubset(value, offered)
    default:
      return (low32(offered) & ~low32(value)) === 0 && (high32(value) & ~high32(offered)) === 0
  }
}

/** Without an in-kernel local APIC the guest timer cannot be had: the bit counts as unsupported. */
export function withoutGuestTimer(msrs: Readonly<Record<number, bigint>>): Record<number, bigint> {
  if (msrs[TERTIARY] === undefined) return { ...msrs }
  const without: Record<number, bigint> = { ...msrs, [TERTIARY]: msrs[TERTIARY] & ~TIMER }
  return { ...without, [VMCS_ENUM]: vmcsEnum(without) }
}
