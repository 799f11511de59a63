/**
 * The vendor callbacks of APIC-timer virtualization (the series' patches 2 and 6): whether the CPU has it, and the VMCS fields,
 * the control bit and the MSR-bitmap bits that belong to it.
 */

import { MAX_U64 } from '../base/u64.ts'
import type { RootCpu } from '../hw/root-cpu.ts'
import { MSRS } from '../spec/msrs.ts'
import { allowedOneBit, VMX_CONTROLS } from '../spec/vmx-controls.ts'
import type { Context } from './context.ts'
import { hasDefect } from './defects.ts'
import { setMsrIntercept } from './msr-bitmap.ts'
import { guestNow, MULTIPLIER_ONE, toHost } from './tsc.ts'

const DEADLINE = MSRS.MSR_IA32_TSC_DEADLINE.index
const TIMER_BIT = 1n << BigInt(VMX_CONTROLS.TERTIARY_EXEC_GUEST_APIC_TIMER.bit)

export function hasTertiaryControls(cpu: RootCpu): boolean {
  const primary = cpu.rdmsr(MSRS.MSR_IA32_VMX_TRUE_PROCBASED_CTLS.index)
  return ((primary >> BigInt(allowedOneBit('CPU_BASED_ACTIVATE_TERTIARY_CONTROLS'))) & 1n) === 1n
}

/** The CPU may set the control, and the module parameter allows it. */
export function isSupported({ cpu, kvm }: Context): boolean {
  if (!kvm.parameters.apic_timer_virt) return false
  return hasTertiaryControls(cpu) && (cpu.rdmsr(MSRS.MSR_IA32_VMX_PROCBASED_CTLS3.index) & TIMER_BIT) !== 0n
}

export const isRdtscExiting = ({ cpu }: Context): boolean =>
  ((cpu.vmread('CPU_BASED_VM_EXEC_CONTROL') >> BigInt(VMX_CONTROLS.CPU_BASED_RDTSC_EXITING.bit)) & 1n) === 1n

/** IA32_VMX_MISC bits 4:0. */
export const preemptionRate = ({ cpu }: Context): number => Number(cpu.rdmsr(MSRS.MSR_IA32_VMX_MISC.index) & 0x1fn)

export const setVector = ({ cpu }: Context, vector: number): void => cpu.vmwrite('GUEST_APIC_TIMER_VECTOR', vector)

/** The guest's accesses to 0x6E0 go to the CPU. */
export function set(c: Context, vector: number): void {
  c.cpu.spend('kvmToggleVirtualTimer')
  setVector(c, vector)
  setMsrIntercept(c, DEADLINE, { read: false, write: false })
  c.cpu.vmwrite('TERTIARY_VM_EXEC_CONTROL', c.cpu.vmread('TERTIARY_VM_EXEC_CONTROL') | TIMER_BIT)
}

/** They come to KVM again. */
export function cancel(c: Context): void {
  c.cpu.spend('kvmToggleVirtualTimer')
  setMsrIntercept(c, DEADLINE, { read: true, write: true })
  c.cpu.vmwrite('TERTIARY_VM_EXEC_CONTROL', c.cpu.vmread('TERTIARY_VM_EXEC_CONTROL') & ~TIMER_BIT)
}

/** Whether the VMCS has the control set. */
export const isSet = (c: Context): boolean => isSupported(c) && (c.cpu.vmread('TERTIARY_VM_EXEC_CONTROL') & TIMER_BIT) !== 0n

/** A deadline of L1's as the CPU's guest timer has it. */
export function toGuestDeadline(c: Context, value: bigint): bigint {
  const { tscMultiplier, tscOffset } = c.vcpu
  if (value <= guestNow(c)) return toHost(c, value)
  if (hasDefect(c, 'scaled-offset') && tscMultiplier !== MULTIPLIER_ONE) return neverIfPast(c, (value << 48n) / tscMultiplier)
  if (hasDefect(c, 'rounded-down')) return neverIfPast(c, (BigInt.asUintN(64, value - tscOffset) << 48n) / tscMultiplier)
  return toHost(c, value)
}

/** What the posted conversion does about a deadline to come that it has brought before the host's TSC: it takes that for an overflow. */
const neverIfPast = ({ cpu }: Context, host: bigint): bigint => (host <= cpu.rdtsc() || host > MAX_U64 ? MAX_U64 : host)

/** The shadow in the guest's units, the armed deadline in the host's: the CPU does not check that they agree. */
export function writeDeadline(c: Context, value: bigint): void {
  c.cpu.vmwrite('GUEST_DEADLINE_VIR', value)
  c.cpu.vmwrite('GUEST_DEADLINE_PHY', toGuestDeadline(c, value))
}

export const readDeadline = ({ cpu }: Context): bigint => cpu.vmread('GUEST_DEADLINE_VIR')
