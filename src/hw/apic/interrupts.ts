/**
 * Interrupt acceptance, priorities and EOI of the physical local APIC (Intel SDM, "Handling Interrupts"), and the 8259's interrupt, which
 * reaches the bootstrap processor past the APIC's priorities through LINT0.
 */

import { clearVector, highestVector, processorPriority, setVector, VECTOR_IRR, VECTOR_ISR } from '../../devices/apic-vectors.ts'
import { acknowledgePic, picRequestsInterrupt } from '../../devices/pic.ts'
import { APIC_BITS } from '../../spec/apic-registers.ts'
import type { Machine } from '../machine.ts'
import { apicPage, apicRegister, isApicEnabled } from './registers.ts'

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

/** An error for the error status register, and its interrupt unless that is masked. */
export function recordError(machine: Machine, cpu: number, bits: number): void {
  machine.cpus[cpu]!.apic.errors |= bits
  const entry = apicRegister(machine, cpu, 'APIC_LVTERR')
  const vector = entry & APIC_BITS.APIC_VECTOR_MASK
  if ((entry & APIC_BITS.APIC_LVT_MASKED) === 0 && vector >= 16) raise(machine, cpu, vector)
}

/** Whether the 8259 pair reaches this CPU: through LINT0 as ExtINT, or past an APIC that is switched off. */
export function acceptsLegacyInterrupts(machine: Machine, cpu: number): boolean {
  // Under a KVM above the door the 8259 pair is not the host's but the guest's.
  if (cpu !== 0 || machine.cpus[cpu]!.vmx.rootSoftware === 'kvm') return false
  if (!isApicEnabled(machine, cpu)) return true
  const entry = apicRegister(machine, cpu, 'APIC_LVT0')
  return (entry & APIC_BITS.APIC_LVT_MASKED) === 0 && (entry & APIC_BITS.APIC_MODE_MASK) === APIC_BITS.APIC_DM_EXTINT
}

const isLegacyInterruptOffered = (machine: Machine, cpu: number): boolean =>
  picRequestsInterrupt(machine.bus.pics) && acceptsLegacyInterrupts(machine, cpu)

/** Whether an external interrupt waits for this CPU, from its APIC or from the 8259 pair. */
export const isInterruptOffered = (machine: Machine, cpu: number): boolean =>
  isLegacyInterruptOffered(machine, cpu) || offeredVector(machine, cpu) >= 0

/** The CPU takes the interrupt that waits: its vector, -1 if there is none. */
export const takeOfferedInterrupt = (machine: Machine, cpu: number): number =>
  isLegacyInterruptOffered(machine, cpu) ? acknowledgePic(machine.bus.pics) : acknowledge(machine, cpu)

/** The vector the APIC offers to the CPU, -1 for none. */
export function offeredVector(machine: Machine, cpu: number): number {
  const vector = highestVector(apicPage(machine, cpu), VECTOR_IRR)
  if (vector < 0 || !isSoftwareEnabled(machine, cpu) || !isApicEnabled(machine, cpu)) return -1
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
