/**
 * Interrupts on their way to the vCPUs' local APICs: from the in-kernel I/O APIC and from interrupt commands (Linux
 * `kvm_irq_delivery_to_apic`, `__apic_accept_irq`).
 */

import {
  type ApicAddress,
  BROADCAST_XAPIC,
  type InterruptCommand,
  interruptCommand,
  isAddressed,
  isFixed,
} from '../devices/apic-destinations.ts'
import type { InterruptMessage } from '../devices/ioapic.ts'
import { APIC_BITS } from '../spec/apic-registers.ts'
import { type Context, contextsOf, type VmContext } from './context.ts'
import { kick } from './kick.ts'
import { acceptInterrupt, apicRegister, isApicEnabled, isX2apic, logicalId, priority } from './lapic.ts'

const addressOf = (c: Context): ApicAddress => ({
  x2apic: isX2apic(c),
  id: isX2apic(c) ? c.vcpu.id : apicRegister(c, 'APIC_ID') >>> 24,
  logicalId: logicalId(c),
  format: apicRegister(c, 'APIC_DFR'),
})

const enabled = (v: VmContext): readonly Context[] => contextsOf(v).filter(isApicEnabled)

const destinations = (v: VmContext, message: InterruptMessage, broadcast: number): readonly Context[] =>
  enabled(v).filter(c => isAddressed(addressOf(c), message, broadcast))

/** The I/O APIC sends a message. */
export const deliverMessage = (v: VmContext, message: InterruptMessage): void =>
  deliverTo(destinations(v, message, BROADCAST_XAPIC), message)

/** The command register was written: its halves. */
export function sendCommand(c: Context, low: number, high: number): void {
  const command = interruptCommand(low, high, isX2apic(c))
  if (command !== null) deliverTo(targets(c, command), command.message)
}

function targets(c: Context, { to, message, broadcast }: InterruptCommand): readonly Context[] {
  switch (to) {
    case 'self':
      return [c]
    case 'all':
      return enabled(c)
    case 'others':
      return enabled(c).filter(({ vcpu }) => vcpu.id !== c.vcpu.id)
    default:
      return destinations(c, message, broadcast)
  }
}

function deliverTo(to: readonly Context[], message: InterruptMessage): void {
  // Lowest priority: the one whose processor priority is lowest, the first of several.
  if (message.deliveryMode === APIC_BITS.APIC_DM_LOWEST && to.length > 0)
    return accept(
      to.reduce((best, c) => (priority(c) < priority(best) ? c : best)),
      message,
    )
  for (const c of to) accept(c, message)
}

const LEAST_VECTOR = 16

function accept(c: Context, message: InterruptMessage): void {
  const { vcpu } = c
  const { vector, deliveryMode, isLevel } = message
  if (isFixed(message)) {
    if (vector < LEAST_VECTOR) return
    acceptInterrupt(c, vector, isLevel ? 'level' : 'edge')
  } else if (deliveryMode === APIC_BITS.APIC_DM_NMI) vcpu.nmiPending = true
  else if (deliveryMode === APIC_BITS.APIC_DM_INIT) {
    vcpu.initPending = true
    vcpu.startUpVector = -1
  } else if (deliveryMode === APIC_BITS.APIC_DM_STARTUP) vcpu.startUpVector = vector
  else return // ExtINT is the 8259 pair's, and SMI has no SMM to enter
  kick(c)
}
