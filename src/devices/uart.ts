/**
 * A 16550 without a wire: what is transmitted is there at once, what is received waits in a queue (PC16550D data sheet, "Register
 * Descriptions"). Eight ports; with DLAB set the first two are the divisor.
 */

import { bit } from '../base/bits.ts'

export interface UartState {
  /** Bytes that a person typed and the guest has not read. */
  received: number[]
  interruptEnable: number
  lineControl: number
  modemControl: number
  scratch: number
  divisor: number
  fifoEnabled: boolean
}

const DLAB = 7
const LSR_DATA_READY = 0x01
const LSR_TRANSMITTER_EMPTY = 0x60
const IIR_NOTHING_PENDING = 0x01
const IIR_FIFO = 0xc0
/** CTS, DSR and DCD are up. */
const MODEM_STATUS = 0xb0

export const newUart = (): UartState => ({
  received: [],
  interruptEnable: 0,
  lineControl: 0,
  modemControl: 0,
  scratch: 0,
  divisor: 1,
  fifoEnabled: false,
})

export function readUart(uart: UartState, register: number): number {
  const divisor = bit(uart.lineControl, DLAB)
  switch (register) {
    case 0:
      return divisor ? uart.divisor & 0xff : (uart.received.shift() ?? 0)
    case 1:
      return divisor ? uart.divisor >> 8 : uart.interruptEnable
    case 2:
      return IIR_NOTHING_PENDING | (uart.fifoEnabled ? IIR_FIFO : 0)
    case 3:
      return uart.lineControl
    case 4:
      return uart.modemControl
    case 5:
      return LSR_TRANSMITTER_EMPTY | (uart.received.length > 0 ? LSR_DATA_READY : 0)
    case 6:
      return MODEM_STATUS
    default:
      return uart.scratch
  }
}

/** Returns the byte that goes out on the line, -1 for none. */
export function writeUart(uart: UartState, register: number, value: number): number {
  const divisor = bit(uart.lineControl, DLAB)
  if (register === 0 && !divisor) return value
  if (register === 0) uart.divisor = (uart.divisor & 0xff00) | value
  else if (register === 1 && divisor) uart.divisor = (uart.divisor & 0xff) | (value << 8)
  else if (register === 1) uart.interruptEnable = value & 0xf
  else if (register === 2) uart.fifoEnabled = (value & 1) === 1
  else if (register === 3) uart.lineControl = value
  else if (register === 4) uart.modemControl = value & 0x1f
  else if (register === 7) uart.scratch = value
  return -1
}
