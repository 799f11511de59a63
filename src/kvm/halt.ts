/**
 * A halted vCPU (Linux `virt/kvm/kvm_main.c`, `kvm_vcpu_halt`): its thread polls for a while, since a wake-up from sleep costs more
 * than what it waits for often takes; then it sleeps. How long it polls follows from how long the waits before were.
 */

import { hostTsc } from '../base/units.ts'
import { type Context, trace } from './context.ts'
import { hasDefect } from './defects.ts'
import { cancelHostTimer, startHostTimer } from './host-timer.ts'
import { isInterruptible } from './interrupts.ts'
import { afterBlock, beforeBlock, injectTimerInterrupts } from './lapic-timer.ts'
import { hasGuestTimer } from './nested/apic-timer.ts'
import { isNestedRunnable, processNestedDeadline } from './nested/events.ts'
import { hasInterrupt } from './pending-interrupt.ts'
import { acceptApicEvents } from './startup.ts'
import { takeHostInterrupt } from './wake.ts'

/** Linux's `halt_poll_ns_grow`, `halt_poll_ns_grow_start` and `halt_poll_ns_shrink`. */
const GROW = 2
const GROW_START_NS = 10_000
const SHRINK = 2

const NS_PER_MS = 1_000_000

const ticksOf = ({ machine }: Context, ns: number): bigint => BigInt(Math.floor((ns * machine.tscKhz) / NS_PER_MS))
const nsOf = ({ machine }: Context, ticks: bigint): number => Math.floor((Number(ticks) * NS_PER_MS) / machine.tscKhz)

/** Whether a halted vCPU has something to run for. */
function isRunnable(c: Context): boolean {
  if (c.vcpu.mpState !== 'runnable') return false
  if (c.vcpu.nested.guestMode) return isNestedRunnable(c)
  return c.vcpu.exception !== null || c.vcpu.nmiPending || (hasInterrupt(c) && isInterruptible(c))
}

/** HLT: the vCPU waits unless an interrupt is there already. */
export function halt(c: Context): void {
  const { cpu, vcpu } = c
  const { halt: wait } = vcpu
  injectTimerInterrupts(c)
  processNestedDeadline(c)
  vcpu.nested.halted = vcpu.nested.guestMode
  if (isRunnable(c)) {
    vcpu.phase = 'enter'
    return
  }
  beforeBlock(c)
  const isL2Timed = vcpu.nested.guestMode && hasGuestTimer(c) && !hasDefect(c, 'missing-wakeup')
  if (isL2Timed && cpu.vmread('GUEST_DEADLINE_PHY') !== 0n) startHostTimer(c, 'guestDeadline', cpu.vmread('GUEST_DEADLINE_PHY'))
  wait.pollNs = Math.min(wait.pollNs, c.kvm.parameters.halt_poll_ns)
  wait.since = cpu.rdtsc()
  wait.pollUntil = wait.since + ticksOf(c, wait.pollNs)
  vcpu.phase = 'polling'
  attendHalted(c)
}

/** Looks whether the vCPU can go on, after a host interrupt if there was one; else it polls on, or sleeps. */
export function attendHalted(c: Context): void {
  const { cpu, vcpu } = c
  if (cpu.interruptPending()) takeHostInterrupt(c, cpu.takeInterrupt())
  if (startsUp(c)) return
  injectTimerInterrupts(c)
  processNestedDeadline(c)
  if (isRunnable(c)) return wake(c)
  if (vcpu.phase === 'polling') {
    if (cpu.rdtsc() < vcpu.halt.pollUntil) return cpu.pollUntil(hostTsc(vcpu.halt.pollUntil))
    vcpu.phase = 'blocked'
    vcpu.halt.sleptAt = cpu.rdtsc()
    cpu.spend('kvmBlock')
  }
  cpu.idle()
}

/** INIT and start-up messages go before all else: true when one of them made the vCPU run. */
function startsUp(c: Context): boolean {
  const { vcpu } = c
  const pended = vcpu.initPending || vcpu.startUpVector >= 0
  acceptApicEvents(c)
  if (!pended || vcpu.initPending || vcpu.mpState !== 'runnable') return false
  vcpu.phase = 'enter'
  return true
}

function wake(c: Context): void {
  const { cpu, vcpu } = c
  const slept = vcpu.phase === 'blocked'
  if (slept) cpu.spend('kvmWake')
  const now = cpu.rdtsc()
  const haltNs = nsOf(c, now - vcpu.halt.since)
  countWait(c, slept, now)
  adaptPolling(c, haltNs)
  cancelHostTimer(c, 'guestDeadline')
  afterBlock(c)
  trace(c, 'kvm_vcpu_wakeup', { ns: haltNs, wait: slept ? 1 : 0, valid: 1 })
  vcpu.phase = 'enter'
}

function countWait(c: Context, slept: boolean, now: bigint): void {
  const { halt: wait, stats } = c.vcpu
  stats.halt_wakeup++
  if (slept) stats.halt_wait_ns += nsOf(c, now - wait.sleptAt)
  if (wait.pollNs === 0) return
  stats.halt_attempted_poll++
  if (!slept) stats.halt_successful_poll++
  if (slept) stats.halt_poll_fail_ns += nsOf(c, wait.sleptAt - wait.since)
  else stats.halt_poll_success_ns += nsOf(c, now - wait.since)
}

/** A wait that a little more polling would have covered lengthens it; one that no polling could have covered shortens it. */
function adaptPolling(c: Context, haltNs: number): void {
  const { halt: wait } = c.vcpu
  const most = c.kvm.parameters.halt_poll_ns
  const before = wait.pollNs
  if (most === 0) wait.pollNs = 0
  else if (haltNs <= before) return
  else if (before > 0 && haltNs > most) {
    const less = Math.floor(before / SHRINK)
    wait.pollNs = less < GROW_START_NS ? 0 : less
    trace(c, 'kvm_halt_poll_ns', { grow: 0, new: wait.pollNs, old: before })
  } else if (before < most && haltNs < most) {
    wait.pollNs = Math.max(before * GROW, GROW_START_NS)
    trace(c, 'kvm_halt_poll_ns', { grow: 1, new: wait.pollNs, old: before })
  }
}
