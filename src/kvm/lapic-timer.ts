/**
 * The local APIC's timer and its three back ends (Linux `arch/x86/kvm/lapic.c`, with the series "KVM: VMX APIC timer
 * virtualization support"): the guest timer of the CPU, the VMX-preemption timer, a high-resolution timer of the host.
 *
 *     guest        the CPU arms and fires; 0x6E0 is not intercepted        `apicVirtTimerInUse`
 *     preemption   exit 52 at the deadline                                 `hvTimerInUse`
 *     software     the host's timer interrupts whatever runs               the host timer is active
 *
 * While the vCPU sleeps the host's timer carries the deadline, whichever back end it has.
 */

import { APIC_BITS, timerDivideShift } from '../spec/apic-registers.ts'
import { type Context, trace } from './context.ts'
import { hasDefect } from './defects.ts'
import { cancelHostTimer, isHostTimerActive, startHostTimer } from './host-timer.ts'
import { apicRegister, deliverLocal, isApicEnabled, isApicvActive, setApicRegister } from './lapic.ts'
import type { TimerMode } from './state.ts'
import { advanceCycles } from './timer-advance.ts'
import { cyclesToNs, guestNow, nsToCycles, toHost } from './tsc.ts'
import * as virtTimer from './virt-timer.ts'

/** What the choice of a back end depends on. */
export interface TimerSituation {
  readonly mode: TimerMode
  readonly masked: boolean
  readonly apicvActive: boolean
  readonly rdtscExiting: boolean
  /** L2 runs: its VMCS is not the place for L1's deadline. */
  readonly inGuestMode: boolean
  /** The CPU has APIC-timer virtualization and the module parameter allows it. */
  readonly hasGuestTimer: boolean
  readonly hasPreemptionTimer: boolean
}

export type TimerBackend = 'guest' | 'preemption' | 'software'

/** Which timer carries the guest's deadline. Blocking does not change it: a host timer is laid over it while the vCPU sleeps. */
export function timerBackend(t: TimerSituation): TimerBackend {
  const usable = t.mode === 'tsc-deadline' && !t.masked && t.apicvActive && !t.inGuestMode && !t.rdtscExiting
  if (usable && t.hasGuestTimer) return 'guest'
  return t.hasPreemptionTimer ? 'preemption' : 'software'
}

const MODE_MASK = 3 << 17

/** The mode that LVTT asked for last: a virtualized write has changed the page before KVM hears of it. */
export const timerMode = ({ vcpu }: Context): TimerMode => vcpu.timer.mode

export function modeOf(lvtt: number): TimerMode {
  const mode = lvtt & MODE_MASK
  if (mode === APIC_BITS.APIC_LVT_TIMER_TSCDEADLINE) return 'tsc-deadline'
  return mode === APIC_BITS.APIC_LVT_TIMER_PERIODIC ? 'periodic' : 'one-shot'
}

const isMasked = (c: Context): boolean => (apicRegister(c, 'APIC_LVTT') & APIC_BITS.APIC_LVT_MASKED) !== 0

export const backendOf = (c: Context): TimerBackend =>
  timerBackend({
    mode: timerMode(c),
    masked: isMasked(c),
    apicvActive: isApicvActive(c),
    rdtscExiting: virtTimer.isRdtscExiting(c),
    inGuestMode: c.vcpu.nested.guestMode,
    hasGuestTimer: virtTimer.isSupported(c),
    hasPreemptionTimer: c.kvm.parameters.preemption_timer,
  })

/** Moves to the guest timer or away from it, as LVTT and APICv now have it. The vector is written anew even when nothing else changes. */
export function evaluateVirtTimer(c: Context): void {
  const { timer } = c.vcpu
  const usable = isApicEnabled(c) && backendOf(c) === 'guest'
  if (usable && timer.apicVirtTimerInUse) {
    if (!hasDefect(c, 'stale-vector')) virtTimer.setVector(c, apicRegister(c, 'APIC_LVTT') & 0xff)
  } else if (usable) {
    cancelHostTimer(c, 'lapic')
    cancelHvTimer(c)
    virtTimer.set(c, apicRegister(c, 'APIC_LVTT') & 0xff)
    virtTimer.writeDeadline(c, timer.tscDeadline)
    timer.apicVirtTimerInUse = true
    trace(c, 'kvm_apic_virt_timer_state', { apic_virt_timer: 1 })
  } else if (timer.apicVirtTimerInUse) {
    timer.tscDeadline = virtTimer.readDeadline(c)
    stopVirtTimer(c)
    startTimer(c)
  }
}

function stopVirtTimer(c: Context): void {
  virtTimer.writeDeadline(c, 0n)
  virtTimer.cancel(c)
  c.vcpu.timer.apicVirtTimerInUse = false
  trace(c, 'kvm_apic_virt_timer_state', { apic_virt_timer: 0 })
}

function cancelHvTimer(c: Context): void {
  const { timer } = c.vcpu
  if (!timer.hvTimerInUse) return
  timer.hvTimerInUse = false
  timer.hvDeadline = 0n
  trace(c, 'kvm_hv_timer_state', { hv_timer: 0 })
}

/** Stops whichever timer runs. */
export function cancelTimer(c: Context): void {
  cancelHostTimer(c, 'lapic')
  if (c.vcpu.timer.hvTimerInUse) cancelHvTimer(c)
  else if (c.vcpu.timer.apicVirtTimerInUse) stopVirtTimer(c)
  c.vcpu.timer.pending = 0
}

/** Starts the timer for `tscDeadline` on the back end in force; with the guest timer in use there is nothing to do. */
function startTimer(c: Context): void {
  const { timer } = c.vcpu
  if (timer.apicVirtTimerInUse || timer.tscDeadline === 0n) return
  if (timer.pending > 0 && timerMode(c) !== 'periodic') return
  if (!c.kvm.parameters.preemption_timer || !startHvTimer(c)) startSoftTimer(c)
}

const HV_TIMER_LIMIT = 1n << 32n

/** When the timer for `tscDeadline` is to run out, as host TSC: early by the advance. Null: that is past. */
function earlyDeadline(c: Context): bigint | null {
  const early = c.vcpu.timer.tscDeadline - advanceCycles(c)
  return early > guestNow(c) ? toHost(c, early) : null
}

/** The preemption timer counts 32 bits of 2^rate ticks: a deadline beyond that is refused. One already past expires at once. */
function startHvTimer(c: Context): boolean {
  const { timer } = c.vcpu
  const now = c.cpu.rdtsc()
  const host = earlyDeadline(c) ?? now
  if ((host - now) >> BigInt(virtTimer.preemptionRate(c)) >= HV_TIMER_LIMIT) {
    cancelHvTimer(c)
    return false
  }
  cancelHostTimer(c, 'lapic')
  timer.hvTimerInUse = true
  timer.hvDeadline = host
  trace(c, 'kvm_hv_timer_state', { hv_timer: 1 })
  // A period's expiry is left to the exit, which computes the next one.
  if (host === now && timerMode(c) !== 'periodic') {
    timerExpired(c, 'vcpu')
    cancelHvTimer(c)
  }
  return true
}

function startSoftTimer(c: Context): void {
  const { timer } = c.vcpu
  cancelHvTimer(c)
  const isDeadline = timerMode(c) === 'tsc-deadline'
  const host = isDeadline ? earlyDeadline(c) : timer.tscDeadline > guestNow(c) ? toHost(c, timer.tscDeadline) : null
  if (host === null) timerExpired(c, 'vcpu')
  else startHostTimer(c, 'lapic', host)
}

/**
 * The deadline has come (Linux `apic_timer_expired`). Seen by the vCPU's own thread, with APICv the interrupt goes into the page at
 * once; the host timer's callback leaves that to the entry.
 */
function timerExpired(c: Context, by: 'vcpu' | 'host timer'): void {
  const { timer } = c.vcpu
  if (timer.pending > 0) return
  if (timerMode(c) === 'tsc-deadline' || timer.hvTimerInUse) timer.expiredDeadline = timer.tscDeadline
  if (by === 'vcpu' && isApicvActive(c)) injectTimerInterrupt(c)
  else timer.pending++
}

/** Exit 52: the preemption timer ran out. */
export function hvTimerExpired(c: Context): void {
  timerExpired(c, 'vcpu')
  cancelHvTimer(c)
  if (timerMode(c) === 'periodic') advancePeriod(c)
}

/** The host's timer for this vCPU ran out. */
export function hostTimerExpired(c: Context): void {
  timerExpired(c, 'host timer')
  if (timerMode(c) === 'periodic') advancePeriod(c)
}

function advancePeriod(c: Context): void {
  const { timer } = c.vcpu
  const period = nsToCycles(c, timer.periodNs)
  if (period === 0n) return
  const now = guestNow(c)
  timer.tscDeadline += period
  if (timer.tscDeadline <= now) timer.tscDeadline = now + period
  startTimer(c)
}

/** The interrupt is requested, and a TSC deadline is over. */
function injectTimerInterrupt(c: Context): void {
  const { timer, stats } = c.vcpu
  deliverLocal(c, 'APIC_LVTT')
  const mode = timerMode(c)
  if (mode === 'tsc-deadline') {
    stats.inject_tscdeadline++
    if (timer.apicVirtTimerInUse) virtTimer.writeDeadline(c, 0n)
  }
  if (mode !== 'periodic') timer.tscDeadline = 0n
}

/** Before an entry: what is due becomes an interrupt request. */
export function injectTimerInterrupts(c: Context): void {
  const { timer } = c.vcpu
  if (timer.pending === 0) return
  injectTimerInterrupt(c)
  timer.pending = 0
}

/** The value for the entry's preemption-timer field, null when it is not in use. */
export function preemptionTimerValue(c: Context): number | null {
  const { timer } = c.vcpu
  if (!timer.hvTimerInUse) return null
  const now = c.cpu.rdtsc()
  return timer.hvDeadline > now ? Number((timer.hvDeadline - now) >> BigInt(virtTimer.preemptionRate(c))) : 0
}

/** The vCPU is about to sleep: neither CPU timer runs outside the guest, so the host's carries the deadline. */
export function beforeBlock(c: Context): void {
  const { timer } = c.vcpu
  if (timer.apicVirtTimerInUse) timer.tscDeadline = virtTimer.readDeadline(c)
  if ((timer.apicVirtTimerInUse || timer.hvTimerInUse) && timer.tscDeadline !== 0n) startSoftTimer(c)
}

/** It has woken: the fields of the guest timer are still right; the preemption timer is started anew. */
export function afterBlock(c: Context): void {
  const { timer } = c.vcpu
  if (timer.apicVirtTimerInUse) cancelHostTimer(c, 'lapic')
  else if (c.kvm.parameters.preemption_timer && isHostTimerActive(c, 'lapic')) startTimer(c)
}

/** VMCS01 is about to be left for L2: the deadline that the CPU holds for L1 is taken along. */
export function beforeNestedEntry(c: Context): void {
  const { timer } = c.vcpu
  if (timer.apicVirtTimerInUse) timer.tscDeadline = virtTimer.readDeadline(c)
}

/** L2 is what runs next: another timer carries L1's deadline. What vmcs01 holds is left as it is. */
export function afterNestedEntry(c: Context): void {
  const { timer } = c.vcpu
  if (!timer.apicVirtTimerInUse) return
  timer.apicVirtTimerInUse = false
  trace(c, 'kvm_apic_virt_timer_state', { apic_virt_timer: 0 })
  startTimer(c)
}

/** vmcs01 is current again: the guest timer carries L1's deadline, or is really off there if that changed while L2 ran. */
export function afterNestedExit(c: Context): void {
  evaluateVirtTimer(c)
  if (!c.vcpu.timer.apicVirtTimerInUse && virtTimer.isSet(c) && !hasDefect(c, 'stale-vmcs01')) virtTimer.cancel(c)
}

/** Read of IA32_TSC_DEADLINE, by the guest or by user space. */
export function readDeadline(c: Context): bigint {
  if (!isApicEnabled(c) || timerMode(c) !== 'tsc-deadline') return 0n
  if (c.vcpu.timer.apicVirtTimerInUse) c.vcpu.timer.tscDeadline = virtTimer.readDeadline(c)
  return c.vcpu.timer.tscDeadline
}

export function writeDeadline(c: Context, value: bigint): void {
  const { timer } = c.vcpu
  if (!isApicEnabled(c) || timerMode(c) !== 'tsc-deadline') return
  cancelHostTimer(c, 'lapic')
  cancelHvTimer(c)
  timer.tscDeadline = value
  timer.pending = 0
  if (timer.apicVirtTimerInUse) virtTimer.writeDeadline(c, value)
  startTimer(c)
}

/** LVTT: a change between deadline mode and the others cancels the timer; mask, mode and vector may all change the back end. */
export function writeLvtt(c: Context, value: number): void {
  const { timer } = c.vcpu
  const wasDeadline = timerMode(c) === 'tsc-deadline'
  timer.mode = modeOf(value)
  if (wasDeadline !== (timer.mode === 'tsc-deadline')) {
    cancelTimer(c)
    setApicRegister(c, 'APIC_TMICT', 0)
    timer.periodNs = 0
    timer.tscDeadline = 0n
  }
  setApicRegister(c, 'APIC_LVTT', value)
  evaluateVirtTimer(c)
}

/** The APIC's bus cycle is 1 ns. */
const periodOf = (c: Context, count: number): number => count * 2 ** timerDivideShift(apicRegister(c, 'APIC_TDCR'))

export function writeInitialCount(c: Context, count: number): void {
  if (timerMode(c) === 'tsc-deadline') return
  cancelTimer(c)
  setApicRegister(c, 'APIC_TMICT', count)
  const { timer } = c.vcpu
  timer.periodNs = periodOf(c, count)
  timer.tscDeadline = count === 0 ? 0n : guestNow(c) + nsToCycles(c, timer.periodNs)
  startTimer(c)
}

/** The divide configuration counts for what is left of a running countdown. */
export function writeDivide(c: Context, value: number): void {
  const count = currentCount(c)
  setApicRegister(c, 'APIC_TDCR', value)
  const { timer } = c.vcpu
  if (timerMode(c) === 'tsc-deadline' || timer.tscDeadline === 0n) return
  const initial = apicRegister(c, 'APIC_TMICT')
  cancelTimer(c)
  timer.periodNs = periodOf(c, initial)
  timer.tscDeadline = guestNow(c) + nsToCycles(c, periodOf(c, count))
  startTimer(c)
}

export function currentCount(c: Context): number {
  const { timer } = c.vcpu
  if (timerMode(c) === 'tsc-deadline' || timer.tscDeadline === 0n) return 0
  const now = guestNow(c)
  if (timer.tscDeadline <= now) return 0
  const initial = apicRegister(c, 'APIC_TMICT')
  return Math.floor((Number(cyclesToNs(c, timer.tscDeadline - now)) * initial) / timer.periodNs)
}

/**
 * User space has set all registers (Linux `kvm_apic_set_state`): the count goes on from where the current-count register says, and in
 * deadline mode `deadline` is armed. A one-shot count that is over stays over.
 */
export function restoreTimer(c: Context, deadline: bigint): void {
  const { timer } = c.vcpu
  timer.mode = modeOf(apicRegister(c, 'APIC_LVTT'))
  timer.periodNs = periodOf(c, apicRegister(c, 'APIC_TMICT'))
  const left = apicRegister(c, 'APIC_TMCCT')
  const count = left === 0 && timer.mode === 'periodic' ? apicRegister(c, 'APIC_TMICT') : left
  const end = count === 0 ? 0n : guestNow(c) + nsToCycles(c, periodOf(c, count))
  timer.tscDeadline = timer.mode === 'tsc-deadline' ? deadline : end
  evaluateVirtTimer(c)
  startTimer(c)
}

/** The APIC is switched off. */
export function disableTimer(c: Context): void {
  cancelTimer(c)
  c.vcpu.timer.tscDeadline = 0n
}
