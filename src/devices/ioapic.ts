/**
 * The I/O APIC (Intel 82093AA data sheet, version 0x20 of the chip set's): an index register, a data window, 24 redirection entries.
 * A level-triggered entry that was delivered has its remote IRR set until a local APIC ends the interrupt of its vector.
 */

import { bit } from '../base/bits.ts'

export interface IoApicState {
  index: number
  id: number
  /** Low and high halves of the redirection entries, by pin. */
  low: number[]
  high: number[]
  /** Levels of the pins. */
  lines: number
}

/** An interrupt on its way to local APICs. */
export interface InterruptMessage {
  readonly vector: number
  /** Bits 10:8 of a redirection entry or interrupt command, in place. */
  readonly deliveryMode: number
  readonly isLogical: boolean
  readonly isLevel: boolean
  /** As a redirection entry of eight bits has it, or an x2APIC command of 32. */
  readonly destination: number
}

export const IO_APIC_BASE = 0xfec0_0000
export const IO_APIC_PINS = 24
const VERSION = 0x20

const WINDOW = 0x10
const EOI = 0x40

const LOGICAL = 1 << 11
const DELIVERY_STATUS = 1 << 12
const REMOTE_IRR = 1 << 14
const LEVEL = 1 << 15
const MASKED = 1 << 16
const READ_ONLY = DELIVERY_STATUS | REMOTE_IRR
const WRITABLE_LOW = 0x1_ffff & ~READ_ONLY

export const newIoApic = (): IoApicState => ({
  index: 0,
  id: 0,
  low: Array.from({ length: IO_APIC_PINS }, () => MASKED),
  high: Array.from({ length: IO_APIC_PINS }, () => 0),
  lines: 0,
})

/** A pin changes its level; what is to be delivered is added to `messages`. An edge that meets a masked entry is lost. */
export function setIoApicPin(ioApic: IoApicState, pin: number, high: boolean, messages: InterruptMessage[]): void {
  const mask = 1 << pin
  const rises = high && (ioApic.lines & mask) === 0
  ioApic.lines = high ? ioApic.lines | mask : ioApic.lines & ~mask
  if ((ioApic.low[pin]! & LEVEL) !== 0) serviceLevel(ioApic, pin, messages)
  else if (rises) deliver(ioApic, pin, messages)
}

/** A level that is high, and not being dealt with, interrupts. */
function serviceLevel(ioApic: IoApicState, pin: number, messages: InterruptMessage[]): void {
  const entry = ioApic.low[pin]!
  if ((entry & LEVEL) !== 0 && (entry & REMOTE_IRR) === 0 && bit(ioApic.lines, pin)) deliver(ioApic, pin, messages)
}

function deliver(ioApic: IoApicState, pin: number, messages: InterruptMessage[]): void {
  const entry = ioApic.low[pin]!
  if ((entry & MASKED) !== 0) return
  const isLevel = (entry & LEVEL) !== 0
  if (isLevel) ioApic.low[pin] = entry | REMOTE_IRR
  messages.push({
    vector: entry & 0xff,
    deliveryMode: entry & 0x700,
    isLogical: (entry & LOGICAL) !== 0,
    isLevel,
    destination: ioApic.high[pin]! >>> 24,
  })
}

/** A local APIC ended the level-triggered interrupt of this vector: lines that are still high interrupt again. */
export function endIoApicInterrupt(ioApic: IoApicState, vector: number, messages: InterruptMessage[]): void {
  for (let pin = 0; pin < IO_APIC_PINS; pin++) {
    const entry = ioApic.low[pin]!
    if ((entry & 0xff) !== vector || (entry & REMOTE_IRR) === 0) continue
    ioApic.low[pin] = entry & ~REMOTE_IRR
    serviceLevel(ioApic, pin, messages)
  }
}

/** The vector that a pin would interrupt with, -1 where it is masked or its last interrupt is not over. */
export function vectorOfPin({ low }: IoApicState, pin: number): number {
  const entry = low[pin]!
  return (entry & (MASKED | REMOTE_IRR)) === 0 ? entry & 0xff : -1
}

/** Vectors of level-triggered entries: their ends are for the I/O APIC. */
export const levelVectors = ({ low }: IoApicState): readonly number[] =>
  low.filter(entry => (entry & LEVEL) !== 0).map(entry => entry & 0xff)

export function readIoApic(ioApic: IoApicState, offset: number): number {
  if (offset === 0) return ioApic.index
  return offset === WINDOW ? readRegister(ioApic) : 0
}

function readRegister({ index, id, low, high }: IoApicState): number {
  if (index === 0 || index === 2) return (id << 24) >>> 0
  if (index === 1) return VERSION | ((IO_APIC_PINS - 1) << 16)
  const pin = (index - 0x10) >> 1
  if (pin < 0 || pin >= IO_APIC_PINS) return 0
  return (bit(index, 0) ? high[pin]! : low[pin]!) >>> 0
}

export function writeIoApic(ioApic: IoApicState, offset: number, value: number, messages: InterruptMessage[]): void {
  if (offset === 0) ioApic.index = value & 0xff
  else if (offset === WINDOW) writeRegister(ioApic, value, messages)
  else if (offset === EOI) endIoApicInterrupt(ioApic, value & 0xff, messages)
}

function writeRegister(ioApic: IoApicState, value: number, messages: InterruptMessage[]): void {
  const { index } = ioApic
  if (index === 0) ioApic.id = (value >>> 24) & 0xf
  const pin = (index - 0x10) >> 1
  if (pin < 0 || pin >= IO_APIC_PINS) return
  if (bit(index, 0)) ioApic.high[pin] = value >>> 0
  else {
    let entry = (value & WRITABLE_LOW) | (ioApic.low[pin]! & READ_ONLY)
    // Remote IRR belongs to level-triggered entries.
    if ((entry & LEVEL) === 0) entry &= ~REMOTE_IRR
    ioApic.low[pin] = entry
  }
  serviceLevel(ioApic, pin, messages)
}
