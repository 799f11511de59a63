/**
 * Interrupts on their way to local APICs: from the I/O APIC and from interrupt commands (Intel SDM, "Determining IPI Destination";
 * "Delivery Mode"). Which CPUs a message reaches, and what it does to each.
 */

import { clearVector, setVector, VECTOR_TMR } from '../../devices/apic-vectors.ts'
import type { InterruptMessage } from '../../devices/ioapic.ts'
import { APIC_BITS } from '../../spec/apic-registers.ts'
import type { Machine } from '../machine.ts'
import { priority, raise, recordError } from './interrupts.ts'
import { apicId, apicPage, apicRegister, isApicEnabled, isX2apic, logicalId } from './registers.ts'

const BROADCAST_XAPIC = 0xff
const BROADCAST_X2APIC = 0xffff_ffff
/** All ones in bits 31:28 of the destination format register: the flat model. */
const FLAT_MODEL = 0xf

const allCpus = (machine: Machine): readonly number[] => machine.cpus.map(({ index }) => index).filter(cpu => isApicEnabled(machine, cpu))

/** The CPUs that a message names. */
function destinations(machine: Machine, { isLogical, destination }: InterruptMessage, broadcast: number): readonly number[] {
  if (destination === broadcast) return allCpus(machine)
  return allCpus(machine).filter(cpu => (isLogical ? matchesLogical(machine, cpu, destination) : apicId(machine, cpu) === destination))
}

function matchesLogical(machine: Machine, cpu: number, destination: number): boolean {
  const own = logicalId(machine, cpu)
  if (isX2apic(machine, cpu)) return own >>> 16 === destination >>> 16 && (own & destination & 0xffff) !== 0
  const flat = apicRegister(machine, cpu, 'APIC_DFR') >>> 28 === FLAT_MODEL
  if (flat) return (own & destination & 0xff) !== 0
  return own >> 4 === destination >> 4 && (own & destination & 0xf) !== 0
}

/** The I/O APIC, or another device, sends a message. */
export const deliverMessage = (machine: Machine, message: InterruptMessage): void =>
  deliverTo(machine, destinations(machine, message, BROADCAST_XAPIC), message)

/** The interrupt command register of a CPU was written. */
export function sendCommand(machine: Machine, cpu: number): void {
  const low = apicRegister(machine, cpu, 'APIC_ICR')
  const high = apicRegister(machine, cpu, 'APIC_ICR2')
  const x2apic = isX2apic(machine, cpu)
  const message: InterruptMessage = {
    vector: low & APIC_BITS.APIC_VECTOR_MASK,
    deliveryMode: low & APIC_BITS.APIC_MODE_MASK,
    isLogical: (low & APIC_BITS.APIC_DEST_LOGICAL) !== 0,
    isLevel: false,
    destination: x2apic ? high : high >>> 24,
  }
  if (isFixed(message) && message.vector < 16) return recordError(machine, cpu, APIC_BITS.APIC_ESR_SENDILL)
  // INIT with level 0 only set arbitration IDs, on CPUs that no longer are.
  if (
    message.deliveryMode === APIC_BITS.APIC_DM_INIT &&
    (low & APIC_BITS.APIC_INT_LEVELTRIG) !== 0 &&
    (low & APIC_BITS.APIC_INT_ASSERT) === 0
  )
    return
  deliverTo(machine, commandTargets(machine, cpu, low & APIC_BITS.APIC_DEST_ALLBUT, message), message)
}

function commandTargets(machine: Machine, cpu: number, shorthand: number, message: InterruptMessage): readonly number[] {
  switch (shorthand) {
    case APIC_BITS.APIC_DEST_SELF:
      return [cpu]
    case APIC_BITS.APIC_DEST_ALLINC:
      return allCpus(machine)
    case APIC_BITS.APIC_DEST_ALLBUT:
      return allCpus(machine).filter(other => other !== cpu)
    default:
      return destinations(machine, message, isX2apic(machine, cpu) ? BROADCAST_X2APIC : BROADCAST_XAPIC)
  }
}

const isFixed = ({ deliveryMode }: InterruptMessage): boolean =>
  deliveryMode === APIC_BITS.APIC_DM_FIXED || deliveryMode === APIC_BITS.APIC_DM_LOWEST

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
