/**
 * A 16550 without a wire: what is transmitted is there at once, so it is always ready; what is received waits in a queue until it is
 * read, as if the line held it (PC16550D data sheet, "Register Descriptions"). Eight ports; with DLAB set the first two are the divisor.
 * The interrupt line follows the enabled conditions; OUT2, which gates it on a PC's board, is ignored as in QEMU.
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
  /** The transmitter ran empty, and IIR has not told it yet. */
  transmitterEmpty: boolean
}

const DLAB = 7
const LOOPBACK = 4
const LSR_DATA_READY = 0x01
const LSR_TRANSMITTER_EMPTY = 0x60
const IER_RECEIVED = 0
const IER_TRANSMITTER_EMPTY = 1
const IIR_NOTHING_PENDING = 0x01
const IIR_TRANSMITTER_EMPTY = 0x02
const IIR_RECEIVED = 0x04
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
  transmitterEmpty: false,
})

/** The enabled condition of the highest priority, as IIR shows it. */
function pendingInterrupt(uart: UartState): number {
  if (bit(uart.interruptEnable, IER_RECEIVED) && uart.received.length > 0) return IIR_RECEIVED
  if (bit(uart.interruptEnable, IER_TRANSMITTER_EMPTY) && uart.transmitterEmpty) return IIR_TRANSMITTER_EMPTY
  return IIR_NOTHING_PENDING
}

/** The level of the interrupt line. */
export const uartInterrupts = (uart: UartState): boolean => pendingInterrupt(uart) !== IIR_NOTHING_PENDING

export function readUart(uart: UartState, register: number): number {
  const divisor = bit(uart.lineControl, DLAB)
  switch (register) {
    case 0:
      return divisor ? uart.divisor & 0xff : (uart.received.shift() ?? 0)
    case 1:
      return divisor ? uart.divisor >> 8 : uart.interruptEnable
    case 2:
      return readInterruptIdentification(uart)
    case 3:
      return uart.lineControl
    case 4:
      return uart.modemControl
    case 5:
      return LSR_TRANSMITTER_EMPTY | (uart.received.length > 0 ? LSR_DATA_READY : 0)
    case 6:
      return modemStatus(uart)
    default:
      return uart.scratch
  }
}

/** Reading it ends the condition that the transmitter is empty, if that is what it tells. */
function readInterruptIdentification(uart: UartState): number {
  const pending = pendingInterrupt(uart)
  if (pending === IIR_TRANSMITTER_EMPTY) uart.transmitterEmpty = false
  return pending | (uart.fifoEnabled ? IIR_FIFO : 0)
}

/** In loopback, RTS, DTR, OUT1 and OUT2 come back as CTS, DSR, RI and DCD. */
function modemStatus({ modemControl }: UartState): number {
  if (!bit(modemControl, LOOPBACK)) return MODEM_STATUS
  const [dtr, rts, out1, out2] = [0, 1, 2, 3].map(position => (modemControl >> position) & 1) as [number, number, number, number]
  return (rts << 4) | (dtr << 5) | (out1 << 6) | (out2 << 7)
}

/** Returns the byte that goes out on the line, -1 for none. */
export function writeUart(uart: UartState, register: number, value: number): number {
  const divisor = bit(uart.lineControl, DLAB)
  switch (register) {
    case 0:
      if (!divisor) return transmit(uart, value)
      uart.divisor = (uart.divisor & 0xff00) | value
      break
    case 1:
      if (divisor) uart.divisor = (uart.divisor & 0xff) | (value << 8)
      else writeInterruptEnable(uart, value & 0xf)
      break
    case 2:
      uart.fifoEnabled = bit(value, 0)
      break
    case 3:
      uart.lineControl = value
      break
    case 4:
      uart.modemControl = value & 0x1f
      break
    case 7:
      uart.scratch = value
  }
  return -1
}

function transmit(uart: UartState, value: number): number {
  uart.transmitterEmpty = true
  if (!bit(uart.modemControl, LOOPBACK)) return value
  uart.received.push(value)
  return -1
}

/** Enabling the transmitter's interrupt while it is empty interrupts at once. */
function writeInterruptEnable(uart: UartState, value: number): void {
  if (bit(value, IER_TRANSMITTER_EMPTY) && !bit(uart.interruptEnable, IER_TRANSMITTER_EMPTY)) uart.transmitterEmpty = true
  uart.interruptEnable = value
}
