/**
 * The I/O ports of the test world's convention: a 16550 at 0x3F8 is the console, port 0xE9 prints too, and a write to port 0xF4
 * ends the run. A port with nothing behind it reads all ones.
 */

import { newUart, readUart, type UartState, writeUart } from './uart.ts'

export interface BusState {
  uart: UartState
}

export const UART_PORT = 0x3f8
export const DEBUG_PORT = 0xe9
export const EXIT_PORT = 0xf4

export const newBus = (): BusState => ({ uart: newUart() })

const isUart = (port: number): boolean => port >= UART_PORT && port < UART_PORT + 8

/** `size` in bytes: 1, 2 or 4. */
export function readPort(bus: BusState, port: number, size: number): number {
  let value = 0
  for (let byte = size - 1; byte >= 0; byte--) value = value * 256 + readByte(bus, port + byte)
  return value
}

function readByte(bus: BusState, port: number): number {
  if (isUart(port)) return readUart(bus.uart, port - UART_PORT)
  // A read of the debug port gives its own number: "there is something here".
  return port === DEBUG_PORT ? DEBUG_PORT : 0xff
}

/** What a write did that somebody outside wants to know. */
export type PortEffect = { readonly kind: 'console'; readonly byte: number } | { readonly kind: 'exit'; readonly status: number } | null

export function writePort(bus: BusState, port: number, size: number, value: number): PortEffect {
  if (port === EXIT_PORT) return { kind: 'exit', status: value }
  if (port === DEBUG_PORT) return { kind: 'console', byte: value & 0xff }
  let effect: PortEffect = null
  for (let byte = 0; byte < size; byte++) {
    const at = port + byte
    const sent = isUart(at) ? writeUart(bus.uart, at - UART_PORT, (value >>> (8 * byte)) & 0xff) : -1
    if (sent >= 0) effect = { kind: 'console', byte: sent }
  }
  return effect
}

/** A person's input arrives at a device. */
export function receive(bus: BusState, device: string, bytes: Uint8Array): boolean {
  if (device !== 'uart') return false
  for (const byte of bytes) bus.uart.received.push(byte)
  return true
}
