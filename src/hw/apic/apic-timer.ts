/**
 * The APIC timer: one-shot, periodic and TSC-deadline (Intel SDM, "APIC Timer"; "TSC-Deadline Mode"). In the counting modes it
 * counts the core crystal's clock, divided.
 */

import { APIC_BITS, APIC_REGISTERS, timerDivideShift } from '../../spec/apic-registers.ts'
import { MSRS } from '../../spec/msrs.ts'
import type { Machine } from '../machine.ts'
import { tickOf } from '../time/clock.ts'
import { cancel, schedule } from '../time/event-queue.ts'
import { raise } from './interrupts.ts'
import { apicRegister } from './registers.ts'

/** The core crystal of CPUID leaf 15H, which also clocks the timer. */
export const CRYSTAL_HZ = 25_000_000

const MODE_MASK = 3 << 17
const modeOf = (lvtt: number): number => lvtt & MODE_MASK

const ticksPerCount = (machine: Machine, cpu: number): number =>
  ((machine.config.tscKhz * 1000) / CRYSTAL_HZ) * 2 ** timerDivideShift(apicRegister(machine, cpu, 'APIC_TDCR'))

export const isDeadlineMode = (machine: Machine, cpu: number): boolean =>
  modeOf(apicRegister(machine, cpu, 'APIC_LVTT')) === APIC_BITS.APIC_LVT_TIMER_TSCDEADLINE

/** Disarms whichever mode runs. */
export function stopTimer(machine: Machine, cpu: number): void {
  cancel(machine.queue, 'apic-timer', cpu)
  machine.cpus[cpu]!.apic.deadline = 0n
  machine.registers[cpu]!.apic[APIC_REGISTERS.APIC_TMICT.offset >> 2] = 0
}

/** LVTT is about to be written: a change between deadline mode and the others disarms. */
export function deadlineModeChanged(machine: Machine, cpu: number, lvtt: number): void {
  const toDeadline = modeOf(lvtt) === APIC_BITS.APIC_LVT_TIMER_TSCDEADLINE
  if (toDeadline !== isDeadlineMode(machine, cpu)) stopTimer(machine, cpu)
}

const tscAdjust = (machine: Machine, cpu: number): bigint => machine.cpus[cpu]!.msrs[MSRS.MSR_IA32_TSC_ADJUST.index]!

/** IA32_TSC_DEADLINE := value; 0 disarms. Outside deadline mode the write is ignored. */
export function writeDeadline(machine: Machine, cpu: number, value: bigint): void {
  if (!isDeadlineMode(machine, cpu)) return
  machine.cpus[cpu]!.apic.deadline = value
  rearmDeadline(machine, cpu)
}

/** Queues the deadline anew: it was written, or the TSC moved under it. */
export function rearmDeadline(machine: Machine, cpu: number): void {
  const { deadline } = machine.cpus[cpu]!.apic
  if (deadline === 0n) cancel(machine.queue, 'apic-timer', cpu)
  else schedule(machine.queue, Math.max(tickOf(deadline, tscAdjust(machine, cpu)), machine.tick), 'apic-timer', cpu)
}

/** The initial count is written: the countdown starts; 0 stops it. Deadline mode ignores it. */
export function startCountdown(machine: Machine, cpu: number, count: number): void {
  if (isDeadlineMode(machine, cpu)) return
  machine.registers[cpu]!.apic[APIC_REGISTERS.APIC_TMICT.offset >> 2] = count
  machine.cpus[cpu]!.apic.countdownStart = machine.tick
  if (count === 0) cancel(machine.queue, 'apic-timer', cpu)
  else schedule(machine.queue, machine.tick + Math.ceil(count * ticksPerCount(machine, cpu)), 'apic-timer', cpu)
}

export function currentCount(machine: Machine, cpu: number): number {
  const row = machine.queue.rows.find(({ kind, cpu: owner }) => kind === 'apic-timer' && owner === cpu)
  if (row === undefined || isDeadlineMode(machine, cpu)) return 0
  return Math.max(0, Math.ceil((row.when - machine.tick) / ticksPerCount(machine, cpu)))
}

/** The queued moment has come: the interrupt is raised unless masked, a period begins anew, a deadline is over. */
export function timerExpired(machine: Machine, cpu: number): void {
  const lvtt = apicRegister(machine, cpu, 'APIC_LVTT')
  const { apic } = machine.cpus[cpu]!
  if (modeOf(lvtt) === APIC_BITS.APIC_LVT_TIMER_TSCDEADLINE) apic.deadline = 0n
  else if (modeOf(lvtt) === APIC_BITS.APIC_LVT_TIMER_PERIODIC) startCountdown(machine, cpu, apicRegister(machine, cpu, 'APIC_TMICT'))
  if ((lvtt & APIC_BITS.APIC_LVT_MASKED) === 0) raise(machine, cpu, lvtt & APIC_BITS.APIC_VECTOR_MASK)
}
