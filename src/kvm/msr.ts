/** RDMSR and WRMSR that the guest may not do itself (Linux `kvm_get_msr_common`, `kvm_set_msr_common`, and vmx's own). */

import { isCanonical, PHYSICAL_ADDRESS_BITS } from '../spec/address-width.ts'
import { APIC_BASE_MSR, APIC_MSR_END } from '../spec/apic-registers.ts'
import { isMtrrValue, isPat, MTRR_CAPABILITY, MTRR_DEFAULT_TYPE, MTRR_INDEXES } from '../spec/memory-types.ts'
import { MSRS } from '../spec/msrs.ts'
import type { Context } from './context.ts'
import { hasFeature } from './cpuid.ts'
import { readX2apic } from './lapic.ts'
import { currentCount, readDeadline, writeDeadline } from './lapic-timer.ts'
import { writeApicBase, writeX2apic } from './lapic-write.ts'
import { guestNow, setGuestTsc } from './tsc.ts'

const EFER_WRITABLE = 0xd01n
const EFER_LME = 0x100n
const EFER_LMA = 0x400n
/** IA32_FEATURE_CONTROL: locked, without VMX. */
const FEATURE_CONTROL_LOCKED = 1n

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

/** The value, or null where the read raises #GP. */
export function readMsr(c: Context, index: number): bigint | null {
  if (index >= APIC_BASE_MSR && index < APIC_MSR_END) return readX2apic(c, index, () => currentCount(c))
  switch (index) {
    case MSRS.MSR_IA32_TSC.index:
      return guestNow(c)
    case MSRS.MSR_IA32_TSC_DEADLINE.index:
      return readDeadline(c)
    case MSRS.MSR_IA32_APICBASE.index:
      return c.vcpu.apicBase
    case MSRS.MSR_IA32_FEAT_CTL.index:
      return FEATURE_CONTROL_LOCKED
    case MSRS.MSR_EFER.index:
      return c.cpu.vmread('GUEST_IA32_EFER')
    case MSRS.MSR_IA32_CR_PAT.index:
      return c.cpu.vmread('GUEST_IA32_PAT')
    default:
      return c.vcpu.msrs[index] ?? HELD[index]?.[1] ?? null
  }
}

/** False where the write raises #GP. */
export function writeMsr(c: Context, index: number, value: bigint): boolean {
  if (index >= APIC_BASE_MSR && index < APIC_MSR_END) return writeX2apic(c, index, value)
  switch (index) {
    case MSRS.MSR_IA32_TSC.index:
      return writeTsc(c, value)
    case MSRS.MSR_IA32_TSC_DEADLINE.index:
      writeDeadline(c, value)
      return true
    case MSRS.MSR_IA32_APICBASE.index:
      return writeApicBase(c, value)
    case MSRS.MSR_EFER.index:
      return writeEfer(c, value)
    case MSRS.MSR_IA32_CR_PAT.index:
      return writePat(c, value)
    case MSRS.MSR_IA32_TSC_ADJUST.index:
      return writeTsc(c, guestNow(c) + value - (c.vcpu.msrs[index] ?? 0n))
    default:
      return writeHeld(c, index, value)
  }
}

function writeHeld(c: Context, index: number, value: bigint): boolean {
  const row = HELD[index]
  if (row === undefined || !row[0](value, index)) return false
  if (IN_PROCESSOR.has(index) && !hasFeature(c.vcpu.cpuid, 'syscall')) return false
  c.vcpu.msrs[index] = value
  if (IN_PROCESSOR.has(index)) c.cpu.wrmsr(index, value)
  return true
}

/** A write of the TSC moves TSC_ADJUST by as much. */
function writeTsc(c: Context, value: bigint): boolean {
  const index = MSRS.MSR_IA32_TSC_ADJUST.index
  c.vcpu.msrs[index] = BigInt.asUintN(64, (c.vcpu.msrs[index] ?? 0n) + BigInt.asUintN(64, value) - guestNow(c))
  setGuestTsc(c, value)
  const deadline = readDeadline(c)
  if (deadline !== 0n) writeDeadline(c, deadline)
  return true
}

function writeEfer(c: Context, value: bigint): boolean {
  const before = c.cpu.vmread('GUEST_IA32_EFER')
  // Paging is on, so LME cannot change; LMA is not software's.
  if ((value & ~EFER_WRITABLE) !== 0n || ((value ^ before) & EFER_LME) !== 0n) return false
  c.cpu.vmwrite('GUEST_IA32_EFER', (value & ~EFER_LMA) | (before & EFER_LMA))
  return true
}

function writePat(c: Context, value: bigint): boolean {
  if (!isPat(value)) return false
  c.cpu.vmwrite('GUEST_IA32_PAT', value)
  return true
}
