/**
 * The host's high-resolution timer for a vCPU (Linux hrtimers on the TSC-deadline clock event): one deadline for each CPU,
 * programmed into the physical local APIC.
 */

import type { RootCpu } from '../hw/root-cpu.ts'
import { APIC_BITS } from '../spec/apic-registers.ts'
import { MSRS } from '../spec/msrs.ts'
import type { Context } from './context.ts'
import { trace } from './context.ts'

/** Linux's vector for the local APIC's timer. */
export const LOCAL_TIMER_VECTOR = 0xec

const DEADLINE = MSRS.MSR_IA32_TSC_DEADLINE.index

/** The physical APIC's timer in TSC-deadline mode, disarmed: what the host kernel sets up at boot. */
export function initializeHostTimer(cpu: RootCpu): void {
  cpu.wrmsr(MSRS.MSR_IA32_X2APIC_LVT_TIMER.index, BigInt(APIC_BITS.APIC_LVT_TIMER_TSCDEADLINE | LOCAL_TIMER_VECTOR))
}

export const isHostTimerActive = ({ kvm, vcpu }: Context): boolean => kvm.hostTimers[vcpu.cpu] !== 0n

export function startHostTimer(c: Context, expires: bigint): void {
  c.kvm.hostTimers[c.vcpu.cpu] = expires
  c.cpu.spend('kvmProgramTimer')
  c.cpu.wrmsr(DEADLINE, expires)
  trace(c, 'hrtimer_start', { expires })
}

export function cancelHostTimer(c: Context): void {
  if (!isHostTimerActive(c)) return
  c.kvm.hostTimers[c.vcpu.cpu] = 0n
  c.cpu.spend('kvmProgramTimer')
  c.cpu.wrmsr(DEADLINE, 0n)
  trace(c, 'hrtimer_cancel', {})
}

/** The host's interrupt handler: EOI, then the timer if its time has come. Returns whether the vCPU's timer expired. */
export function handleHostInterrupt(c: Context, vector: number): boolean {
  c.cpu.wrmsr(MSRS.MSR_IA32_X2APIC_EOI.index, 0n)
  c.cpu.spend('kvmTimerExpiry')
  const expires = c.kvm.hostTimers[c.vcpu.cpu]!
  if (vector !== LOCAL_TIMER_VECTOR || expires === 0n || expires > c.cpu.rdtsc()) return false
  c.kvm.hostTimers[c.vcpu.cpu] = 0n
  trace(c, 'hrtimer_expire_entry', { now: c.cpu.rdtsc() })
  return true
}
