/** The end of an interrupt, which the I/O APIC hears of when it was level-triggered (Intel SDM, "Signaling Interrupt Servicing Completion"). */

import { clearVector, hasVector, highestVector, VECTOR_ISR, VECTOR_TMR } from '../../devices/apic-vectors.ts'
import { endIoApicInterrupt, type InterruptMessage } from '../../devices/ioapic.ts'
import type { Machine } from '../machine.ts'
import { deliverMessage } from './messages.ts'
import { apicPage } from './registers.ts'

export function endOfInterrupt(machine: Machine, cpu: number): void {
  const page = apicPage(machine, cpu)
  const vector = highestVector(page, VECTOR_ISR)
  if (vector >= 0) {
    clearVector(page, VECTOR_ISR, vector)
    if (hasVector(page, VECTOR_TMR, vector)) broadcast(machine, vector)
  }
  machine.engines[cpu]!.attention = true
}

/** A line that is still high interrupts again. */
function broadcast(machine: Machine, vector: number): void {
  const messages: InterruptMessage[] = []
  endIoApicInterrupt(machine.bus.ioApic, vector, messages)
  for (const message of messages) deliverMessage(machine, message)
}
