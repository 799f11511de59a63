/**
 * The host's high-resolution timers for a vCPU (Linux hrtimers on the TSC-deadline clock event): the earliest of them is programmed
 * into the physical local APIC.
 */

import type { RootCpu } from '../hw/root-cpu.ts'
import { APIC_BITS } from '../spec/apic-registers.ts'
import { MSRS } from '../spec/msrs.ts'
import type { Context } from './context.ts'
import { trace } from './context.ts'
import type { HostTimers } from './state.ts'

export type HostTimer = keyof HostTimers

/** Linux's vector for the local APIC's timer. */
export const LOCAL_TIMER_VECTOR = 0xec

const DEADLINE = MSRS.MSR_IA32_TSC_DEADLINE.index

export const noHostTimers = (): HostTimers => ({ lapic: 0n, preemption: 0n, guestDeadline: 0n, pit: 0n })

/** The physical APIC's timer in TSC-deadline mode, disarmed: what the host kernel sets up at boot. */
export function initializeHostTimer(cpu: RootCpu): void {
  cpu.wrmsr(MSRS.MSR_IA32_X2APIC_LVT_TIMER.index, BigInt(APIC_BITS.APIC_LVT_TIMER_TSCDEADLINE | LOCAL_TIMER_VECTOR))
}

const timersOf = ({ kvm, vcpu }: Context): HostTimers => kvm.hostTimers[vcpu.cpu]!

export const isHostTimerActive = (c: Context, timer: HostTimer): boolean => timersOf(c)[timer] !== 0n

const earliest = (c: Context): bigint =>
  Object.values(timersOf(c)).reduce(
    (first: bigint, expires: bigint) => (expires !== 0n && (first === 0n || expires < first) ? expires : first),
    0n,
  )

export function startHostTimer(c: Context, timer: HostTimer, expires: bigint): void {
  timersOf(c)[timer] = expires
  c.cpu.spend('kvmProgramTimer')
  c.cpu.wrmsr(DEADLINE, earliest(c))
  trace(c, 'hrtimer_start', { expires })
}

export function cancelHostTimer(c: Context, timer: HostTimer): void {
  if (!isHostTimerActive(c, timer)) return
  timersOf(c)[timer] = 0n
  c.cpu.spend('kvmProgramTimer')
  c.cpu.wrmsr(DEADLINE, earliest(c))
  trace(c, 'hrtimer_cancel', {})
}

/** The host's interrupt handler: EOI, then the timers whose time has come, which are inactive afterwards. */
export function handleHostInterrupt(c: Context, vector: number): readonly HostTimer[] {
  c.cpu.wrmsr(MSRS.MSR_IA32_X2APIC_EOI.index, 0n)
  if (vector !== LOCAL_TIMER_VECTOR) return []
  c.cpu.spend('kvmTimerExpiry')
  const timers = timersOf(c)
  const now = c.cpu.rdtsc()
  const expired = (Object.keys(timers) as HostTimer[]).filter(timer => timers[timer] !== 0n && timers[timer] <= now)
  for (const timer of expired) {
    timers[timer] = 0n
    trace(c, 'hrtimer_expire_entry', { now })
  }
  if (expired.length > 0 && earliest(c) !== 0n) c.cpu.wrmsr(DEADLINE, earliest(c))
  return expired
}
