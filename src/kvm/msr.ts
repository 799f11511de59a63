/** RDMSR and WRMSR that the guest may not do itself (Linux `kvm_get_msr_common`, `kvm_set_msr_common`, and vmx's own). */

import { APIC_BASE_MSR, APIC_MSR_END } from '../spec/apic-registers.ts'
import { MSRS } from '../spec/msrs.ts'
import type { Context } from './context.ts'
import { readX2apic } from './lapic.ts'
import { currentCount, readDeadline, writeDeadline } from './lapic-timer.ts'
import { writeApicBase, writeX2apic } from './lapic-write.ts'
import { guestNow, setGuestTsc } from './tsc.ts'

const EFER_WRITABLE = 0xd01n
const EFER_LME = 0x100n
const EFER_LMA = 0x400n
/** IA32_FEATURE_CONTROL: locked, without VMX. */
const FEATURE_CONTROL_LOCKED = 1n

/** MSRs that only hold a value, and the bits that may be 1. */
const HELD: Readonly<Record<number, bigint>> = {
  [MSRS.MSR_IA32_DEBUGCTLMSR.index]: 0n,
  [MSRS.MSR_STAR.index]: 0xffff_ffff_ffff_ffffn,
  [MSRS.MSR_LSTAR.index]: 0xffff_ffff_ffff_ffffn,
  [MSRS.MSR_CSTAR.index]: 0xffff_ffff_ffff_ffffn,
  [MSRS.MSR_SYSCALL_MASK.index]: 0xffff_ffffn,
  [MSRS.MSR_IA32_TSC_ADJUST.index]: 0xffff_ffff_ffff_ffffn,
}

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
      return index in HELD ? (c.vcpu.msrs[index] ?? 0n) : null
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
  const mask = HELD[index]
  if (mask === undefined || (value & ~mask) !== 0n) return false
  c.vcpu.msrs[index] = value
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

const PAT_TYPES: ReadonlySet<bigint> = new Set([0n, 1n, 4n, 5n, 6n, 7n])

function writePat(c: Context, value: bigint): boolean {
  for (let shift = 0n; shift < 64n; shift += 8n) if (!PAT_TYPES.has((value >> shift) & 0xffn)) return false
  c.cpu.vmwrite('GUEST_IA32_PAT', value)
  return true
}
