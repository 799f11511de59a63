/** The VMX-preemption timer (Intel SDM, "VMX-Preemption Timer"): counts down once every 2^rate ticks while the guest runs. */

import type { Engine } from '../cpu/engine.ts'
import { cancel, NEVER, schedule } from '../time/event-queue.ts'
import { PREEMPTION_TIMER_RATE } from './capabilities.ts'
import { guestHas, isControlSet } from './state.ts'
import { readNumber, writeField } from './vmcs.ts'

const PERIOD = 2 ** PREEMPTION_TIMER_RATE

export function startPreemptionTimer(engine: Engine, vmcs: number): void {
  const { cpu, machine, memory } = engine
  if (!guestHas(cpu.vmx, 'PIN_BASED_VMX_PREEMPTION_TIMER')) return
  const value = readNumber(memory, vmcs, 'VMX_PREEMPTION_TIMER_VALUE')
  // The timer follows a bit of the TSC, so it counts at multiples of its period.
  cpu.vmx.preemptionTick = value === 0 ? machine.tick : (Math.floor(machine.tick / PERIOD) + value) * PERIOD
  schedule(machine.queue, cpu.vmx.preemptionTick, 'preemption-timer', engine.index)
}

export function stopPreemptionTimer(engine: Engine, vmcs: number): void {
  const { cpu, machine, memory } = engine
  if (isControlSet(cpu.vmx.controls, 'VM_EXIT_SAVE_VMX_PREEMPTION_TIMER') && cpu.vmx.preemptionTick !== NEVER) {
    // It counts on while the exit saves the guest's state: a guest of a few instructions finds it lower, as on a processor.
    const saved = machine.tick + machine.config.costs.vmExit
    const left = Math.max(0, Math.floor(cpu.vmx.preemptionTick / PERIOD) - Math.floor(saved / PERIOD))
    writeField(memory, vmcs, 'VMX_PREEMPTION_TIMER_VALUE', left)
  }
  cpu.vmx.preemptionTick = NEVER
  cancel(machine.queue, 'preemption-timer', engine.index)
}
