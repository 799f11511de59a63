/**
 * APIC-timer virtualization (Intel SDM, "APIC-Timer Virtualization"): one deadline for each logical processor, in physical TSC
 * units, meaningful only in VMX non-root operation. The guest writes and reads IA32_TSC_DEADLINE in its own TSC's units; the value
 * it wrote is the shadow in the VMCS. Neither arming nor firing leaves the guest.
 */

import { MSRS } from '../../spec/msrs.ts'
import type { Engine } from '../cpu/engine.ts'
import { emit } from '../observe.ts'
import { convertDeadline, physicalTsc, tickOf } from '../time/clock.ts'
import { cancel, schedule } from '../time/event-queue.ts'
import { guestHas } from './state.ts'
import { evaluateVirtualInterrupts, setVirtualRequest } from './virtual-apic.ts'
import { readField, writeField } from './vmcs.ts'

const tscAdjust = (engine: Engine): bigint => engine.cpu.msrs[MSRS.MSR_IA32_TSC_ADJUST.index]!
const tscNow = (engine: Engine): bigint => physicalTsc(engine.machine.tick, tscAdjust(engine))

/** RDMSR: the shadow. */
export const readVirtualDeadline = (engine: Engine): bigint => readField(engine.memory, engine.cpu.vmx.currentVmcs, 'GUEST_DEADLINE_VIR')

/** WRMSR: the shadow takes the source; 0 disarms, the past fires at once, the future is converted and armed. */
export function writeVirtualDeadline(engine: Engine, value: bigint): void {
  const { cpu, machine, memory } = engine
  writeField(memory, cpu.vmx.currentVmcs, 'GUEST_DEADLINE_VIR', value)
  const write = convertDeadline(value, tscNow(engine), cpu.vmx.controls.tsc)
  emit(machine, cpu, 'apic_timer_arm', { virtual_deadline: value, deadline: write.kind === 'armed' ? write.deadline : 0n })
  if (write.kind === 'now') processGuestTimer(engine)
  else arm(engine, write.kind === 'armed' ? write.deadline : 0n)
}

/** Holds the deadline, and queues the moment when a tick will reach it. */
function arm(engine: Engine, deadline: bigint): void {
  const { cpu, machine } = engine
  cpu.vmx.guestDeadline = deadline
  if (deadline === 0n) cancel(machine.queue, 'guest-timer', engine.index)
  else schedule(machine.queue, tickOf(deadline, tscAdjust(engine)), 'guest-timer', engine.index)
}

/** VM entry: the physical deadline is loaded as it stands, with no look at the shadow. */
export function loadGuestTimer(engine: Engine, vmcs: number): void {
  if (guestHas(engine.cpu.vmx, 'TERTIARY_EXEC_GUEST_APIC_TIMER')) arm(engine, readField(engine.memory, vmcs, 'GUEST_DEADLINE_PHY'))
}

/** VM exit: the deadline is saved, on any CPU that has the feature, and disarmed. */
export function disarmGuestTimer(engine: Engine, vmcs: number): void {
  if (engine.machine.config.features.includes('apic-timer-virt'))
    writeField(engine.memory, vmcs, 'GUEST_DEADLINE_PHY', engine.cpu.vmx.guestDeadline)
  arm(engine, 0n)
}

/** An event is pending once the physical TSC has reached the deadline; not in shutdown or wait-for-SIPI. */
export function guestTimerPending(engine: Engine): boolean {
  const { guestDeadline } = engine.cpu.vmx
  const { activity } = engine.cpu
  return guestDeadline !== 0n && guestDeadline <= tscNow(engine) && activity !== 'shutdown' && activity !== 'wait-for-sipi'
}

/** The event: the virtual timer vector is requested, deadline and shadow become 0. There is no exit and no exit information. */
export function processGuestTimer(engine: Engine): void {
  const { cpu, machine, memory } = engine
  const vector = cpu.vmx.controls.virtualTimerVector
  setVirtualRequest(engine, vector)
  evaluateVirtualInterrupts(engine)
  arm(engine, 0n)
  writeField(memory, cpu.vmx.currentVmcs, 'GUEST_DEADLINE_VIR', 0n)
  emit(machine, cpu, 'apic_timer_fire', { vector })
}
