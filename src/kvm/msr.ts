/** RDMSR and WRMSR that the guest may not do itself (Linux `kvm_get_msr_common`, `kvm_set_msr_common`, and vmx's own). */

import { shiftRight } from '../base/u64.ts'
import { isCanonical, PHYSICAL_ADDRESS_BITS } from '../spec/address-width.ts'
import { APIC_BASE_MSR, APIC_MSR_END } from '../spec/apic-registers.ts'
import { isMtrrValue, isPat, MTRR_CAPABILITY, MTRR_DEFAULT_TYPE, MTRR_INDEXES } from '../spec/memory-types.ts'
import { MSRS } from '../spec/msrs.ts'
import type { VmcsFieldName } from '../spec/vmcs-fields.ts'
import type { Context } from './context.ts'
import { isPaging, setEfer } from './control-registers.ts'
import { hasFeature } from './cpuid.ts'
import { readX2apic } from './lapic.ts'
import { currentCount, readDeadline, writeDeadline } from './lapic-timer.ts'
import { writeApicBase, writeX2apic } from './lapic-write.ts'
import type { MsrAccess } from './msr-access.ts'
import { FIRST_VMX_MSR, guestReadVmxMsr, LAST_VMX_MSR, readVmxMsr, withoutGuestTimer, writeVmxMsr } from './nested/capabilities.ts'
import { currentTsc, guestNow, setGuestTsc } from './tsc.ts'
import { withTscChange } from './tsc-change.ts'

const EFER_WRITABLE = 0xd01n
const EFER_LME = 0x100n
const EFER_LMA = 0x400n
/** IA32_FEATURE_CONTROL: locked, and VMXON allowed outside SMX. */
const FEATURE_CONTROL_LOCKED = 1n
const FEATURE_CONTROL_VMX = 4n

type Check = (value: bigint, index: number) => boolean

const only =
  (mask: bigint): Check =>
  value =>
    (value & ~mask) === 0n
const ALL = 0xffff_ffff_ffff_ffffn
const isMtrr: Check = (value, index) => isMtrrValue(index, value, PHYSICAL_ADDRESS_BITS)
/** Fast strings; without branch trace storage and precise event-based sampling. */
const MISC_ENABLE = 0x1801n
/** Revision 1 of the microcode (Linux `kvm_arch_vcpu_create`). */
const UCODE_REVISION = 1n << 32n

/** MSRs that only hold a value: what may be written, and what they hold at first. */
const HELD: Readonly<Record<number, readonly [check: Check, initial: bigint]>> = {
  [MSRS.MSR_IA32_PLATFORM_ID.index]: [only(0n), 0n],
  [MSRS.MSR_IA32_UCODE_REV.index]: [only(ALL), UCODE_REVISION],
  [MSRS.MSR_PLATFORM_INFO.index]: [only(0n), 0n],
  [MSRS.MSR_MISC_FEATURES_ENABLES.index]: [only(0n), 0n],
  [MSRS.MSR_MTRRcap.index]: [() => false, MTRR_CAPABILITY],
  [MSRS.MSR_IA32_MCG_CAP.index]: [() => false, 0n],
  [MSRS.MSR_IA32_MCG_STATUS.index]: [only(0n), 0n],
  [MSRS.MSR_IA32_MISC_ENABLE.index]: [only(MISC_ENABLE), MISC_ENABLE],
  [MSRS.MSR_IA32_DEBUGCTLMSR.index]: [only(0n), 0n],
  [MSRS.MSR_STAR.index]: [only(ALL), 0n],
  [MSRS.MSR_LSTAR.index]: [value => isCanonical(value), 0n],
  [MSRS.MSR_CSTAR.index]: [value => isCanonical(value), 0n],
  [MSRS.MSR_SYSCALL_MASK.index]: [only(0xffff_ffffn), 0n],
  [MSRS.MSR_IA32_TSC_ADJUST.index]: [only(ALL), 0n],
  ...Object.fromEntries(MTRR_INDEXES.map(index => [index, [isMtrr, index === MSRS.MSR_MTRRdefType.index ? MTRR_DEFAULT_TYPE : 0n]])),
}

/** The guest's values are in the processor while it runs (Linux `kvm_set_user_return_msr`): SYSCALL does not exit. */
const IN_PROCESSOR: ReadonlySet<number> = new Set(
  (['MSR_STAR', 'MSR_LSTAR', 'MSR_CSTAR', 'MSR_SYSCALL_MASK'] as const).map(name => MSRS[name].index),
)

/** MSRs that the guest has in the CPU itself, since nothing else uses them there; those that must hold canonical addresses. */
const IN_CPU: ReadonlyMap<number, 'canonical' | 'low-half'> = new Map([
  [MSRS.MSR_KERNEL_GS_BASE.index, 'canonical'],
  [MSRS.MSR_TSC_AUX.index, 'low-half'],
])

/** MSRs that are fields of the VMCS. */
const IN_VMCS: ReadonlyMap<number, VmcsFieldName> = new Map([
  [MSRS.MSR_IA32_SYSENTER_CS.index, 'GUEST_SYSENTER_CS'],
  [MSRS.MSR_IA32_SYSENTER_ESP.index, 'GUEST_SYSENTER_ESP'],
  [MSRS.MSR_IA32_SYSENTER_EIP.index, 'GUEST_SYSENTER_EIP'],
  [MSRS.MSR_FS_BASE.index, 'GUEST_FS_BASE'],
  [MSRS.MSR_GS_BASE.index, 'GUEST_GS_BASE'],
])

const isVmxMsr = (index: number): boolean => index >= FIRST_VMX_MSR && index <= LAST_VMX_MSR

/** The value, or null where the read raises #GP. */
export function readMsr(c: Context, index: number, by: MsrAccess = 'guest'): bigint | null {
  if (isVmxMsr(index)) return readVmx(c, index, by)
  if (index >= APIC_BASE_MSR && index < APIC_MSR_END) return readX2apic(c, index, () => currentCount(c))
  switch (index) {
    case MSRS.MSR_IA32_TSC.index:
      return by === 'host' ? guestNow(c) : currentTsc(c)
    case MSRS.MSR_IA32_TSC_DEADLINE.index:
      return readDeadline(c)
    case MSRS.MSR_IA32_APICBASE.index:
      return c.vcpu.apicBase
    case MSRS.MSR_IA32_FEAT_CTL.index:
      return c.vcpu.featureControl
    case MSRS.MSR_EFER.index:
      return c.vcpu.efer
    case MSRS.MSR_IA32_CR_PAT.index:
      return c.cpu.vmread('GUEST_IA32_PAT')
    default: {
      const field = IN_VMCS.get(index)
      if (field !== undefined) return c.cpu.vmread(field)
      if (IN_CPU.has(index)) return c.cpu.rdmsr(index)
      return c.vcpu.msrs[index] ?? HELD[index]?.[1] ?? null
    }
  }
}

function readVmx({ vcpu }: Context, index: number, by: MsrAccess): bigint | null {
  if (by === 'host') return readVmxMsr(vcpu.nested.msrs, index)
  return hasFeature(vcpu.cpuid, 'vmx') ? guestReadVmxMsr(vcpu.nested.msrs, index) : null
}

/** False where the write raises #GP, or for user space is refused. */
export function writeMsr(c: Context, index: number, value: bigint, by: MsrAccess = 'guest'): boolean {
  // To the guest the capability MSRs are read-only.
  if (isVmxMsr(index)) return by === 'host' && writeVmx(c, index, value)
  if (index >= APIC_BASE_MSR && index < APIC_MSR_END) return writeX2apic(c, index, value)
  switch (index) {
    case MSRS.MSR_IA32_TSC.index:
      return writeTsc(c, value, by)
    case MSRS.MSR_IA32_TSC_DEADLINE.index:
      writeDeadline(c, value)
      return true
    case MSRS.MSR_IA32_APICBASE.index:
      return writeApicBase(c, value, by)
    case MSRS.MSR_IA32_FEAT_CTL.index:
      return writeFeatureControl(c, value, by)
    case MSRS.MSR_EFER.index:
      return writeEfer(c, value, by)
    case MSRS.MSR_IA32_CR_PAT.index:
      return writePat(c, value)
    case MSRS.MSR_IA32_TSC_ADJUST.index:
      return writeTscAdjust(c, index, value, by)
    default:
      return writeHeld(c, index, value)
  }
}

/** In VMX operation the capabilities stay as they are. */
function writeVmx(c: Context, index: number, value: bigint): boolean {
  const { nested } = c.vcpu
  if (nested.vmxon) return false
  const supported = c.vm.irqchip ? c.kvm.nestedMsrs : withoutGuestTimer(c.kvm.nestedMsrs)
  return writeVmxMsr(nested.msrs, supported, index, value)
}

function writeFeatureControl({ vcpu }: Context, value: bigint, by: MsrAccess): boolean {
  const allowed = FEATURE_CONTROL_LOCKED | (hasFeature(vcpu.cpuid, 'vmx') ? FEATURE_CONTROL_VMX : 0n)
  if ((value & ~allowed) !== 0n || (by === 'guest' && (vcpu.featureControl & FEATURE_CONTROL_LOCKED) !== 0n)) return false
  vcpu.featureControl = value
  return true
}

function writeHeld(c: Context, index: number, value: bigint): boolean {
  const field = IN_VMCS.get(index)
  if (field !== undefined) {
    if (field === 'GUEST_SYSENTER_CS' ? shiftRight(value, 32) !== 0n : !isCanonical(value)) return false
    c.cpu.vmwrite(field, value)
    return true
  }
  const rule = IN_CPU.get(index)
  if (rule !== undefined) {
    if ((rule === 'canonical' && !isCanonical(value)) || (rule === 'low-half' && shiftRight(value, 32) !== 0n)) return false
    c.cpu.wrmsr(index, value)
    return true
  }
  const row = HELD[index]
  if (row === undefined || !row[0](value, index)) return false
  if (IN_PROCESSOR.has(index) && !hasFeature(c.vcpu.cpuid, 'syscall')) return false
  c.vcpu.msrs[index] = value
  if (IN_PROCESSOR.has(index)) c.cpu.wrmsr(index, value)
  return true
}

/** A guest's write of the TSC moves TSC_ADJUST by as much. */
function writeTsc(c: Context, value: bigint, by: MsrAccess): boolean {
  const index = MSRS.MSR_IA32_TSC_ADJUST.index
  const adjust = c.vcpu.msrs[index] ?? 0n
  if (by === 'guest') c.vcpu.msrs[index] = BigInt.asUintN(64, adjust + BigInt.asUintN(64, value) - guestNow(c))
  withTscChange(c, by, () => setGuestTsc(c, value))
  return true
}

/** And the other way round; user space restores the one and the other. */
function writeTscAdjust(c: Context, index: number, value: bigint, by: MsrAccess): boolean {
  if (by === 'guest') return writeTsc(c, guestNow(c) + value - (c.vcpu.msrs[index] ?? 0n), by)
  c.vcpu.msrs[index] = value
  return true
}

/** With paging on LME cannot change; LMA is not the guest's. */
function writeEfer(c: Context, value: bigint, by: MsrAccess): boolean {
  const before = c.vcpu.efer
  if ((value & ~EFER_WRITABLE) !== 0n) return false
  if (by === 'guest' && isPaging(c) && ((value ^ before) & EFER_LME) !== 0n) return false
  setEfer(c, by === 'host' ? value : (value & ~EFER_LMA) | (before & EFER_LMA))
  return true
}

function writePat(c: Context, value: bigint): boolean {
  if (!isPat(value)) return false
  c.cpu.vmwrite('GUEST_IA32_PAT', value)
  return true
}
