/**
 * Interrupts on their way to local APICs: from the I/O APIC and from interrupt commands (Intel SDM, "Determining IPI Destination";
 * "Delivery Mode"). Which CPUs a message reaches, and what it does to each.
 */

import {
  type ApicAddress,
  BROADCAST_XAPIC,
  type InterruptCommand,
  interruptCommand,
  isAddressed,
  isFixed,
} from '../../devices/apic-destinations.ts'
import { clearVector, setVector, VECTOR_TMR } from '../../devices/apic-vectors.ts'
import type { InterruptMessage } from '../../devices/ioapic.ts'
import { APIC_BITS } from '../../spec/apic-registers.ts'
import type { Machine } from '../machine.ts'
import { priority, raise, recordError } from './interrupts.ts'
import { apicId, apicPage, apicRegister, isApicEnabled, isX2apic, logicalId } from './registers.ts'

const allCpus = (machine: Machine): readonly number[] => machine.cpus.map(({ index }) => index).filter(cpu => isApicEnabled(machine, cpu))

const addressOf = (machine: Machine, cpu: number): ApicAddress => ({
  x2apic: isX2apic(machine, cpu),
  id: apicId(machine, cpu),
  logicalId: logicalId(machine, cpu),
  format: apicRegister(machine, cpu, 'APIC_DFR'),
})

/** The CPUs that a message names. */
const destinations = (machine: Machine, message: InterruptMessage, broadcast: number): readonly number[] =>
  allCpus(machine).filter(cpu => isAddressed(addressOf(machine, cpu), message, broadcast))

/** The I/O APIC, or another device, sends a message. */
export const deliverMessage = (machine: Machine, message: InterruptMessage): void =>
  deliverTo(machine, destinations(machine, message, BROADCAST_XAPIC), message)

/** The interrupt command register of a CPU was written. */
export function sendCommand(machine: Machine, cpu: number): void {
  const [low, high] = [apicRegister(machine, cpu, 'APIC_ICR'), apicRegister(machine, cpu, 'APIC_ICR2')]
  const command = interruptCommand(low, high, isX2apic(machine, cpu))
  if (command === null) return
  const { message } = command
  if (isFixed(message) && message.vector < 16) return recordError(machine, cpu, APIC_BITS.APIC_ESR_SENDILL)
  deliverTo(machine, commandTargets(machine, cpu, command), message)
}

function commandTargets(machine: Machine, cpu: number, { to, message, broadcast }: InterruptCommand): readonly number[] {
  switch (to) {
    case 'self':
      return [cpu]
    case 'all':
      return allCpus(machine)
    case 'others':
      return allCpus(machine).filter(other => other !== cpu)
    default:
      return destinations(machine, message, broadcast)
  }
}

function deliverTo(machine: Machine, targets: readonly number[], message: InterruptMessage): void {
  // Lowest priority: the one CPU whose processor priority is lowest, the first of several.
  if (message.deliveryMode === APIC_BITS.APIC_DM_LOWEST && targets.length > 0) {
    const lowest = targets.reduce((best, cpu) => (priority(machine, cpu) < priority(machine, best) ? cpu : best))
    return accept(machine, lowest, message)
  }
  for (const cpu of targets) accept(machine, cpu, message)
}

function accept(machine: Machine, cpu: number, message: InterruptMessage): void {
  const { vector, isLevel } = message
  if (isFixed(message)) {
    if (vector < 16) return recordError(machine, cpu, APIC_BITS.APIC_ESR_RECVILL)
    const mark = isLevel ? setVector : clearVector
    mark(apicPage(machine, cpu), VECTOR_TMR, vector)
    return raise(machine, cpu, vector)
  }
  if (message.deliveryMode === APIC_BITS.APIC_DM_NMI) {
    machine.cpus[cpu]!.nmiPending = true
    machine.engines[cpu]!.attention = true
  }
  if (message.deliveryMode === APIC_BITS.APIC_DM_INIT) {
    machine.cpus[cpu]!.initPending = true
    machine.engines[cpu]!.attention = true
  }
  if (message.deliveryMode === APIC_BITS.APIC_DM_STARTUP) startUp(machine, cpu, vector)
  // ExtINT is the 8259's, and SMI has no SMM to enter.
}

/** A CPU that does not wait for a start-up message, or is about to, drops it. */
function startUp(machine: Machine, cpu: number, vector: number): void {
  const row = machine.cpus[cpu]!
  if (row.activity !== 'wait-for-sipi' && !row.initPending) return
  row.startUpVector = vector
  machine.engines[cpu]!.attention = true
}
