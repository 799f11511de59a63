/**
 * Which local APIC an interrupt message names, and what message an interrupt command is (Intel SDM, "Determining IPI Destination"; "Interrupt
 * Command Register (ICR)"). The silicon and KVM ask the same questions about their own APICs.
 */

import { APIC_BITS } from '../spec/apic-registers.ts'
import type { InterruptMessage } from './ioapic.ts'

/** By what a local APIC is addressed. */
export interface ApicAddress {
  readonly x2apic: boolean
  readonly id: number
  readonly logicalId: number
  /** The destination format register. */
  readonly format: number
}

export const BROADCAST_XAPIC = 0xff
const BROADCAST_X2APIC = 0xffff_ffff
/** All ones in bits 31:28 of the destination format register: the flat model. */
const FLAT_MODEL = 0xf

/** `broadcast` is the destination that names everybody. */
export function isAddressed(own: ApicAddress, { isLogical, destination }: InterruptMessage, broadcast: number): boolean {
  if (destination === broadcast) return true
  return isLogical ? matchesLogical(own, destination) : own.id === destination
}

function matchesLogical({ x2apic, logicalId: own, format }: ApicAddress, destination: number): boolean {
  if (x2apic) return own >>> 16 === destination >>> 16 && (own & destination & 0xffff) !== 0
  if (format >>> 28 === FLAT_MODEL) return (own & destination & 0xff) !== 0
  return own >> 4 === destination >> 4 && (own & destination & 0xf) !== 0
}

/** What a write to the command register asks for. */
export interface InterruptCommand {
  readonly message: InterruptMessage
  readonly to: 'self' | 'all' | 'others' | 'destination'
  readonly broadcast: number
}

/** The registers' halves; null for INIT with level 0, which only set arbitration IDs, on CPUs that no longer are. */
export function interruptCommand(low: number, high: number, x2apic: boolean): InterruptCommand | null {
  const message: InterruptMessage = {
    vector: low & APIC_BITS.APIC_VECTOR_MASK,
    deliveryMode: low & APIC_BITS.APIC_MODE_MASK,
    isLogical: (low & APIC_BITS.APIC_DEST_LOGICAL) !== 0,
    isLevel: false,
    destination: x2apic ? high >>> 0 : high >>> 24,
  }
  const isDeassert = (low & APIC_BITS.APIC_INT_LEVELTRIG) !== 0 && (low & APIC_BITS.APIC_INT_ASSERT) === 0
  if (message.deliveryMode === APIC_BITS.APIC_DM_INIT && isDeassert) return null
  return { message, to: SHORTHANDS[(low >>> 18) & 3]!, broadcast: x2apic ? BROADCAST_X2APIC : BROADCAST_XAPIC }
}

const SHORTHANDS = ['destination', 'self', 'all', 'others'] as const

/** Delivered to a vector that it names. */
export const isFixed = ({ deliveryMode }: InterruptMessage): boolean =>
  deliveryMode === APIC_BITS.APIC_DM_FIXED || deliveryMode === APIC_BITS.APIC_DM_LOWEST
