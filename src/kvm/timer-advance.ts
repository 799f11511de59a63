/**
 * A deadline's timer is set early by an adaptive time, so that the exit, KVM's work and the entry are over when the deadline comes;
 * what is left KVM spins just before the entry (Linux `arch/x86/kvm/lapic.c`, `kvm_wait_lapic_expire`).
 *
 *     timer        deadline
 *       |------------->|          advance: 1000 ns at first, an eighth of each error more or less
 *       exit, inject, spin
 */

import { hasVector, VECTOR_IRR, VECTOR_ISR } from '../devices/apic-vectors.ts'
import { APIC_BITS } from '../spec/apic-registers.ts'
import { type Context, trace } from './context.ts'
import { apicPage, apicRegister, isApicEnabled, isApicvActive } from './lapic.ts'
import { cyclesToNs, guestNow, nsToCycles, toHost } from './tsc.ts'

const INITIAL_NS = 1000
/** Beyond this the adaptation has gone astray and starts anew. */
const MAX_NS = 5000
const STEP = 8n
/** Errors outside are no guide: noise, or a spike. In the guest's cycles. */
const ADJUSTED = { from: 100n, to: 10_000n } as const

export const initialAdvance = (isOn: boolean): number => (isOn ? INITIAL_NS : 0)

/** How much earlier the timer is set, in the guest's cycles. */
export const advanceCycles = (c: Context): bigint => nsToCycles(c, c.vcpu.timer.advanceNs)

/** Whether the timer's interrupt is on its way into the guest: requested where the CPU delivers, else in service. */
function isInjected(c: Context): boolean {
  const vector = apicRegister(c, 'APIC_LVTT') & APIC_BITS.APIC_VECTOR_MASK
  return isApicEnabled(c) && hasVector(apicPage(c), isApicvActive(c) ? VECTOR_IRR : VECTOR_ISR, vector)
}

/** Just before the VM entry. */
export function waitForDeadline(c: Context): void {
  const { timer } = c.vcpu
  const deadline = timer.expiredDeadline
  if (deadline === 0n || timer.advanceNs === 0 || !isInjected(c)) return
  timer.expiredDeadline = 0n
  const delta = BigInt.asIntN(64, guestNow(c) - deadline)
  trace(c, 'kvm_wait_lapic_expire', { delta: BigInt.asUintN(64, delta) })
  adjust(c, delta)
  if (delta >= 0n) return
  const longest = guestNow(c) + advanceCycles(c)
  const isNear = deadline < longest
  c.cpu.spinUntil(toHost(c, isNear ? deadline : longest))
}

/** User space takes the vCPU away: what is left until the deadline is waited for, and nothing is learnt from it. */
export function spinToDeadline(c: Context): void {
  const { timer } = c.vcpu
  if (timer.expiredDeadline > guestNow(c)) c.cpu.spinUntil(toHost(c, timer.expiredDeadline))
  timer.expiredDeadline = 0n
}

/** `delta`: how late the guest would be entered, negative when early. */
function adjust(c: Context, delta: bigint): void {
  const { timer } = c.vcpu
  const error = delta < 0n ? -delta : delta
  if (error > ADJUSTED.to || error < ADJUSTED.from) return
  const step = Number(cyclesToNs(c, error) / STEP)
  const next = timer.advanceNs + (delta < 0n ? -step : step)
  timer.advanceNs = next > MAX_NS || next < 0 ? INITIAL_NS : next
}
