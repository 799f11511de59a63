/**
 * The guest deadline of L2 (the series' patches 12, 13, 15). L1 sees the deadline in units of its own TSC, the CPU wants the host's;
 * the shadow is in L2's units everywhere. vmcs02's fields are newer than vmcs12's after an exit, vmcs12's after L1 wrote them.
 */

import { MAX_U64, shiftRight } from '../../base/u64.ts'
import type { Context } from '../context.ts'
import { hasDefect } from '../defects.ts'
import { guestNow, l1TscAt } from '../tsc.ts'
import { toGuestDeadline } from '../virt-timer.ts'
import { offersGuestTimer } from './capabilities.ts'
import { readVmcs12, vmcs12Has, writeVmcs12 } from './vmcs12.ts'

export const hasGuestTimer = (c: Context): boolean => vmcs12Has(c, 'TERTIARY_EXEC_GUEST_APIC_TIMER')

/** L2 is about to be entered, vmcs02 is current: what L1 wrote is converted for this host. */
export function loadGuestTimer(c: Context): void {
  const { cpu, vcpu } = c
  vcpu.nested.guestTimerUsed = hasGuestTimer(c)
  if (!vcpu.nested.guestTimerUsed) return
  cpu.vmwrite('GUEST_APIC_TIMER_VECTOR', readVmcs12(c, 'GUEST_APIC_TIMER_VECTOR'))
  if (!vcpu.nested.guestTimerDirty) return
  cpu.vmwrite('GUEST_DEADLINE_PHY', toGuestDeadline(c, readVmcs12(c, 'GUEST_DEADLINE_PHY')))
  cpu.vmwrite('GUEST_DEADLINE_VIR', readVmcs12(c, 'GUEST_DEADLINE_VIR'))
  vcpu.nested.guestTimerDirty = false
}

/** After an exit, vmcs02 is current: the lazy copy. With the control off a processor saves a deadline of 0 and leaves the shadow. */
export function saveGuestTimer(c: Context): void {
  const { cpu, vcpu } = c
  if (!offersGuestTimer(vcpu.nested.msrs)) return
  if (!vcpu.nested.guestTimerUsed) {
    writeVmcs12(c, 'GUEST_DEADLINE_PHY', 0n)
    if (hasDefect(c, 'cleared-shadow')) writeVmcs12(c, 'GUEST_DEADLINE_VIR', 0n)
    return
  }
  writeVmcs12(c, 'GUEST_DEADLINE_PHY', toL1(c, cpu.vmread('GUEST_DEADLINE_PHY')))
  writeVmcs12(c, 'GUEST_DEADLINE_VIR', cpu.vmread('GUEST_DEADLINE_VIR'))
}

/** What was before L1's TSC began is no less over; nor is it 0. */
const pastOfL1 = (value: bigint, now: bigint): bigint => (value === 0n || value > now ? 1n : value)

/**
 * A host deadline in units of L1's TSC: rounded up, so that the way back is never early; 0 stays disarmed and nothing else is 0. What never
 * comes is the same on every host: L1 must not see it change when it moves.
 */
function toL1(c: Context, host: bigint): bigint {
  if (host === 0n || host === MAX_U64) return host
  const { cpu, vcpu } = c
  const now = cpu.rdtsc()
  if (host <= now) return pastOfL1(l1TscAt(c, host), guestNow(c))
  const roundedUp = shiftRight(host * vcpu.tscMultiplier + (1n << 48n) - 1n, 48)
  const l1 = guestNow(c) + roundedUp - shiftRight(now * vcpu.tscMultiplier, 48)
  const isBeyond = l1 > MAX_U64
  return isBeyond ? MAX_U64 : l1
}
