/**
 * vmcs12's VMX-preemption timer (Linux `vmx_start_preemption_timer`): a timer of the host stands for it, so that KVM can use the real
 * one. It counts at L1's TSC, once every 2^5 ticks.
 */

import { bitField, shiftRight } from '../../base/u64.ts'
import type { Context } from '../context.ts'
import { cancelHostTimer, startHostTimer } from '../host-timer.ts'
import { guestNow, toHost } from '../tsc.ts'
import { readVmcs12, vmcs12Has, writeVmcs12 } from './vmcs12.ts'

const RATE = 5

export function startPreemptionTimer(c: Context): void {
  const { nested } = c.vcpu
  nested.preemptionTimerExpired = false
  nested.preemptionDeadline = 0n
  if (!vmcs12Has(c, 'PIN_BASED_VMX_PREEMPTION_TIMER')) return
  const value = readVmcs12(c, 'VMX_PREEMPTION_TIMER_VALUE')
  nested.preemptionDeadline = (shiftRight(guestNow(c), RATE) + value) << BigInt(RATE)
  armPreemptionTimer(c)
}

/** Sets the host's timer for the deadline; one that has passed is over at once. */
export function armPreemptionTimer(c: Context): void {
  const { nested } = c.vcpu
  if (nested.preemptionDeadline === 0n) return
  if (nested.preemptionDeadline <= guestNow(c)) nested.preemptionTimerExpired = true
  else startHostTimer(c, 'preemption', toHost(c, nested.preemptionDeadline))
}

/** L1 gets an exit: the timer stops, and its value is saved where vmcs12 asks for it. */
export function stopPreemptionTimer(c: Context): void {
  const { nested } = c.vcpu
  cancelHostTimer(c, 'preemption')
  if (nested.preemptionDeadline !== 0n && vmcs12Has(c, 'VM_EXIT_SAVE_VMX_PREEMPTION_TIMER')) {
    const left = shiftRight(nested.preemptionDeadline, RATE) - shiftRight(guestNow(c), RATE)
    writeVmcs12(c, 'VMX_PREEMPTION_TIMER_VALUE', left > 0n ? bitField(left, 0, 32) : 0)
  }
  nested.preemptionDeadline = 0n
  nested.preemptionTimerExpired = false
}
