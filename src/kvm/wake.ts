/** What a host interrupt means for the vCPU of its CPU. */

import type { Context } from './context.ts'
import { handleHostInterrupt } from './host-timer.ts'
import { hostTimerExpired } from './lapic-timer.ts'
import { pitExpired } from './pit.ts'

/** The timers that expired do what they are for; the one for a halted L2's deadline only wakes. */
export function takeHostInterrupt(c: Context, vector: number): void {
  const expired = handleHostInterrupt(c, vector)
  if (expired.includes('lapic')) hostTimerExpired(c)
  if (expired.includes('pit')) pitExpired(c)
  if (expired.includes('preemption')) c.vcpu.nested.preemptionTimerExpired = true
}
