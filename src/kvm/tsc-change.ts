/**
 * L1's TSC changes under what is measured by it: its value or frequency, by the guest or by user space. A deadline is a value of the TSC
 * and stays that value; a count is a time and goes on as it was. The same holds for L2's, which L1's TSC carries.
 *
 *     deadline of the local APIC's timer    the same TSC value
 *     its count, one-shot or periodic       the same time from now
 *     guest deadline of L2                  the same value of L1's TSC
 *     vmcs12's preemption timer             the same time from now; where user space moves a VM, the same value of L1's TSC
 */

import type { Context } from './context.ts'
import { hasDefect } from './defects.ts'
import { cancelHostTimer } from './host-timer.ts'
import { readDeadline, timerMode, writeDeadline } from './lapic-timer.ts'
import type { MsrAccess } from './msr-access.ts'
import { loadGuestTimer, saveGuestTimer } from './nested/apic-timer.ts'
import { armPreemptionTimer } from './nested/preemption-timer.ts'
import { syncVmcs02ToVmcs12Rare } from './nested/sync.ts'
import { guestNow } from './tsc.ts'

export function withTscChange(c: Context, by: MsrAccess, change: () => void): void {
  const { vcpu } = c
  const deadline = readDeadline(c)
  const before = { now: guestNow(c), khz: vcpu.tscKhz }
  keepNestedDeadline(c)
  change()
  if (deadline !== 0n && !hasDefect(c, 'stale-deadline')) writeDeadline(c, deadline)
  keepCount(c, before)
  convertNestedDeadline(c)
  movePreemptionTimer(c, by, guestNow(c) - before.now)
}

/** The host's timer, or the CPU's, runs on: only where it stands in the guest's TSC is new. */
function keepCount(c: Context, { now, khz }: { readonly now: bigint; readonly khz: number }): void {
  const { timer, tscKhz } = c.vcpu
  if (timerMode(c) === 'tsc-deadline' || timer.tscDeadline === 0n) return
  timer.tscDeadline = guestNow(c) + ((timer.tscDeadline - now) * BigInt(tscKhz)) / BigInt(khz)
}

/** vmcs12 gets it, in L1's units, before those change. */
function keepNestedDeadline(c: Context): void {
  if (c.vcpu.nested.guestMode) saveGuestTimer(c)
  else syncVmcs02ToVmcs12Rare(c)
}

function convertNestedDeadline(c: Context): void {
  const { nested } = c.vcpu
  nested.guestTimerDirty = nested.currentVmptr >= 0
  if (nested.guestMode) loadGuestTimer(c)
}

function movePreemptionTimer(c: Context, by: MsrAccess, jump: bigint): void {
  const { nested } = c.vcpu
  if (nested.preemptionDeadline === 0n) return
  if (by === 'guest') {
    nested.preemptionDeadline += jump
    return
  }
  cancelHostTimer(c, 'preemption')
  nested.preemptionTimerExpired = false
  armPreemptionTimer(c)
}
