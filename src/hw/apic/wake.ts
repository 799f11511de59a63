/**
 * Whether a CPU in HLT or MWAIT waits for something that can come. Time may jump only towards an event that could interrupt it: a device that fires
 * for ever into a masked line would otherwise let it pass for ever.
 */

import { linesDue, passesIoApic, passesPics } from '../../devices/interrupt-lines.ts'
import { APIC_BITS } from '../../spec/apic-registers.ts'
import type { Machine } from '../machine.ts'
import type { PendingEvent } from '../time/event-queue.ts'
import { acceptsLegacyInterrupts, priority } from './interrupts.ts'
import { apicRegister } from './registers.ts'

/** `open`: interrupts are enabled (RFLAGS.IF). */
export function canWake(machine: Machine, cpu: number, open: boolean): boolean {
  const { activity, monitor, vmx } = machine.cpus[cpu]!
  if (activity === 'wait-for-sipi') return false // only another CPU's message wakes it
  if (vmx.mode === 'non-root') return true
  const waits = (activity === 'hlt' && open) || (activity === 'mwait' && (open || monitor.breaksMasked))
  return waits && machine.queue.rows.some(row => couldInterrupt(machine, cpu, row))
}

function couldInterrupt(machine: Machine, cpu: number, row: PendingEvent): boolean {
  switch (row.kind) {
    case 'apic-timer':
      return (apicRegister(machine, row.cpu, 'APIC_LVTT') & APIC_BITS.APIC_LVT_MASKED) === 0
    case 'devices':
      return couldDevicesInterrupt(machine, cpu)
    default:
      return true
  }
}

function couldDevicesInterrupt(machine: Machine, cpu: number): boolean {
  const { bus, config } = machine
  const lines = linesDue(bus, { tick: bus.settled, hertz: config.tscKhz * 1000 })
  if (acceptsLegacyInterrupts(machine, cpu) && passesPics(bus.pics, lines)) return true
  return passesIoApic(bus.ioApic, lines, priority(machine, cpu) >> 4)
}
