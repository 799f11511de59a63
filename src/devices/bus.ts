/**
 * The devices' side of an access: which one it reaches, and what comes due by itself. Time passes here only when somebody asks: before an
 * access, and at the tick that `dueTick` names.
 */

import type { BusAccess, BusState } from './devices.ts'
import { advanceHpet, hpetDue } from './hpet.ts'
import { updateLines } from './interrupt-lines.ts'
import { MMIO, type MmioRow } from './mmio-table.ts'
import type { Moment } from './moment.ts'
import { pitDue } from './pit.ts'
import { PORTS, type PortRow } from './port-table.ts'
import { advanceRtc, rtcDue } from './rtc.ts'

const rowOf = new Map<number, PortRow>(
  PORTS.flatMap(row => Array.from({ length: row.count }, (_, offset) => [row.first + offset, row] as const)),
)

const ones = (size: number): number => 2 ** (8 * size) - 1

/** `size` in bytes: 1, 2 or 4. */
export function readPort(access: BusAccess, port: number, size: number): number {
  settle(access)
  const row = rowOf.get(port)
  let value = 0
  if (row?.wide) value = ((row.read?.(access, port - row.first, size) ?? ones(size)) & ones(size)) >>> 0
  else for (let byte = size - 1; byte >= 0; byte--) value = value * 256 + readByte(access, (port + byte) & 0xffff)
  updateLines(access)
  return value
}

function readByte(access: BusAccess, port: number): number {
  const row = rowOf.get(port)
  return row?.read === undefined || row.wide ? 0xff : row.read(access, port - row.first, 1) & 0xff
}

export function writePort(access: BusAccess, port: number, size: number, value: number): void {
  settle(access)
  const row = rowOf.get(port)
  if (row?.wide) row.write?.(access, port - row.first, value, size)
  else for (let byte = 0; byte < size; byte++) writeByte(access, (port + byte) & 0xffff, (value >>> (8 * byte)) & 0xff)
  updateLines(access)
}

function writeByte(access: BusAccess, port: number, value: number): void {
  const row = rowOf.get(port)
  if (row !== undefined && !row.wide) row.write?.(access, port - row.first, value, 1)
}

const mmioRowAt = (address: number): MmioRow | undefined => MMIO.find(({ base, bytes }) => address >= base && address < base + bytes)

/** `size` in bytes: 1, 2 or 4. */
export function readMmio(access: BusAccess, address: number, size: number): number {
  const row = mmioRowAt(address)
  if (row === undefined) return ones(size)
  settle(access)
  const offset = address - row.base
  let value = 0
  if (row.byteWise) for (let byte = size - 1; byte >= 0; byte--) value = value * 256 + row.read(access, offset + byte)
  else value = ((row.read(access, offset & ~3) >>> (8 * (offset & 3))) & ones(size)) >>> 0
  updateLines(access)
  return value
}

export function writeMmio(access: BusAccess, address: number, size: number, value: number): void {
  const row = mmioRowAt(address)
  if (row === undefined) return
  settle(access)
  const offset = address - row.base
  if (row.byteWise) for (let byte = 0; byte < size; byte++) row.write(access, offset + byte, (value >>> (8 * byte)) & 0xff)
  else row.write(access, offset & ~3, value >>> 0)
  updateLines(access)
}

/** The next tick at which a device does something by itself; `NOT_DUE` for never. */
export function dueTick(bus: BusState, hertz: number): number {
  const moment = { tick: bus.settled, hertz }
  return Math.min(pitDue(bus.pit, moment), rtcDue(bus.rtc, moment), hpetDue(bus.hpet, moment))
}

/** Does all that has come due, each thing at its own tick. */
export function settle(access: BusAccess): void {
  const { bus, moment, effects } = access
  for (;;) {
    const tick = Math.max(dueTick(bus, moment.hertz), bus.settled)
    if (tick > moment.tick) break
    const from: Moment = { tick: bus.settled, hertz: moment.hertz }
    const at: Moment = { tick, hertz: moment.hertz }
    advanceRtc(bus.rtc, at)
    const pulses = advanceHpet(bus.hpet, from, at)
    bus.settled = tick
    updateLines({ bus, moment: at, effects }, pulses)
  }
  bus.settled = moment.tick
}

/** A person's input arrives at a device; false where there is no such device. */
export function receive(access: BusAccess, device: string, bytes: Uint8Array): boolean {
  settle(access)
  if (device !== 'uart') return false
  for (const byte of bytes) access.bus.uart.received.push(byte)
  updateLines(access)
  return true
}
