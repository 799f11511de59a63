/** Interrupt acceptance, priorities and EOI of the physical local APIC (Intel SDM, "Handling Interrupts"). */

import { clearVector, highestVector, processorPriority, setVector, VECTOR_IRR, VECTOR_ISR } from '../../devices/apic-vectors.ts'
import { APIC_BITS } from '../../spec/apic-registers.ts'
import type { Machine } from '../machine.ts'
import { apicPage, apicRegister } from './registers.ts'

const isSoftwareEnabled = (machine: Machine, cpu: number): boolean =>
  (apicRegister(machine, cpu, 'APIC_SPIV') & APIC_BITS.APIC_SPIV_APIC_ENABLED) !== 0

/** Sets the request bit of a fixed interrupt. */
export function raise(machine: Machine, cpu: number, vector: number): void {
  setVector(apicPage(machine, cpu), VECTOR_IRR, vector)
  machine.engines[cpu]!.attention = true
}

/** The processor priority. */
export const priority = (machine: Machine, cpu: number): number => {
  const page = apicPage(machine, cpu)
  return processorPriority(apicRegister(machine, cpu, 'APIC_TASKPRI'), Math.max(0, highestVector(page, VECTOR_ISR)))
}

/** The vector the APIC offers to the CPU, -1 for none. */
export function offeredVector(machine: Machine, cpu: number): number {
  const vector = highestVector(apicPage(machine, cpu), VECTOR_IRR)
  if (vector < 0 || !isSoftwareEnabled(machine, cpu)) return -1
  return vector >> 4 > priority(machine, cpu) >> 4 ? vector : -1
}

/** The CPU takes the offered interrupt: from request to in-service. */
export function acknowledge(machine: Machine, cpu: number): number {
  const vector = offeredVector(machine, cpu)
  if (vector < 0) return -1
  const page = apicPage(machine, cpu)
  clearVector(page, VECTOR_IRR, vector)
  setVector(page, VECTOR_ISR, vector)
  return vector
}

export function endOfInterrupt(machine: Machine, cpu: number): void {
  const page = apicPage(machine, cpu)
  const vector = highestVector(page, VECTOR_ISR)
  if (vector >= 0) clearVector(page, VECTOR_ISR, vector)
  machine.engines[cpu]!.attention = true
}
