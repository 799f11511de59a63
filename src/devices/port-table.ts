/**
 * The I/O ports: a row for each range, with what reads and writes there. A row without `wide` is a device of bytes: a wider access is one
 * of each byte. A port with no row reads all ones and swallows what is written.
 */

import { PM_PORTS, PM1_EVENT_PORT, readAcpiPm, writeAcpiPm } from './acpi-pm.ts'
import type { BusAccess } from './devices.ts'
import { readFwCfg, selectFwCfg } from './fw-cfg.ts'
import * as keyboard from './keyboard-controller.ts'
import {
  readTestdevByte,
  setTestdevLine,
  TESTDEV_LINES,
  TESTDEV_LINES_PORT,
  TESTDEV_REGISTER_PORT,
  writeTestdevByte,
} from './pc-testdev.ts'
import { readElcr, readPic, writeElcr, writePic } from './pic.ts'
import { readPit, readPort61, writePit, writePort61 } from './pit.ts'
import { readRtc, writeRtc } from './rtc.ts'
import { readUart, writeUart } from './uart.ts'

export interface PortRow {
  readonly name: string
  readonly first: number
  readonly count: number
  /** Accesses of 2 and 4 bytes come whole. */
  readonly wide?: true
  /** `offset` counts from `first`. */
  readonly read?: (access: BusAccess, offset: number, size: number) => number
  readonly write?: (access: BusAccess, offset: number, value: number, size: number) => void
}

export const UART_PORT = 0x3f8
export const DEBUG_PORT = 0xe9
/** Where SeaBIOS and OVMF write, once a read has given `DEBUG_PRESENT`. */
const FIRMWARE_DEBUG_PORT = 0x402
/** What both debug ports read as: "there is something here". */
const DEBUG_PRESENT = 0xe9
export const EXIT_PORT = 0xf4
export const FW_CFG_PORT = 0x510
export const RESET_PORT = 0xcf9
/** What a write to the reset port must contain: reset the CPU, and a full reset. */
export const RESET_VALUE = 0x06

const reset = ({ effects }: BusAccess, does: boolean, by: string): void => {
  if (does) effects.push({ kind: 'reset', by })
}

export const PORTS: readonly PortRow[] = [
  pic('first interrupt controller', 0x20, 0),
  pic('second interrupt controller', 0xa0, 1),
  {
    name: 'interval timer',
    first: 0x40,
    count: 4,
    read: ({ bus, moment }, offset) => readPit(bus.pit, offset, moment),
    write: ({ bus, moment }, offset, value) => writePit(bus.pit, offset, value, moment),
  },
  {
    name: 'keyboard controller, data',
    first: 0x60,
    count: 1,
    read: ({ bus }) => keyboard.readKeyboardData(bus.keyboard),
    write: (access, _, value) => reset(access, keyboard.writeKeyboardData(access.bus.keyboard, value), 'the keyboard controller'),
  },
  {
    name: 'system control port B',
    first: 0x61,
    count: 1,
    read: ({ bus, moment }) => readPort61(bus.pit, moment),
    write: ({ bus, moment }, _, value) => writePort61(bus.pit, value, moment),
  },
  {
    name: 'keyboard controller, command',
    first: 0x64,
    count: 1,
    read: ({ bus }) => keyboard.readKeyboardStatus(bus.keyboard),
    write: (access, _, value) => reset(access, keyboard.writeKeyboardCommand(access.bus.keyboard, value), 'port 0x64'),
  },
  {
    name: 'real-time clock',
    first: 0x70,
    count: 2,
    read: ({ bus, moment }, offset) => readRtc(bus.rtc, offset, moment),
    write: ({ bus, moment }, offset, value) => writeRtc(bus.rtc, offset, value, moment),
  },
  {
    name: 'POST code',
    first: 0x80,
    count: 1,
    read: ({ bus }) => bus.postCode,
    write: ({ bus }, _, value) => {
      bus.postCode = value
    },
  },
  {
    name: 'system control port A',
    first: 0x92,
    count: 1,
    read: ({ bus }) => bus.keyboard.port92,
    write: (access, _, value) => reset(access, keyboard.writePort92(access.bus.keyboard, value), 'port 0x92'),
  },
  {
    name: 'test device, register',
    first: TESTDEV_REGISTER_PORT,
    count: 4,
    read: ({ bus }, offset) => readTestdevByte(bus.testdev, offset),
    write: ({ bus }, offset, value) => writeTestdevByte(bus.testdev, offset, value),
  },
  debugConsole('debug console', DEBUG_PORT),
  debugConsole('firmware debug console', FIRMWARE_DEBUG_PORT),
  {
    name: 'exit port',
    first: EXIT_PORT,
    count: 4,
    wide: true,
    write: ({ effects }, _, value) => effects.push({ kind: 'exit', status: value }),
  },
  {
    name: 'serial port',
    first: UART_PORT,
    count: 8,
    read: ({ bus }, offset) => readUart(bus.uart, offset),
    write: ({ bus, effects }, offset, value) => {
      const sent = writeUart(bus.uart, offset, value)
      if (sent >= 0) effects.push({ kind: 'console', byte: sent })
    },
  },
  {
    name: 'edge/level registers',
    first: 0x4d0,
    count: 2,
    read: ({ bus }, offset) => readElcr(bus.pics, offset === 0 ? 0 : 1),
    write: ({ bus }, offset, value) => writeElcr(bus.pics, offset === 0 ? 0 : 1, value),
  },
  {
    name: 'fw_cfg selector',
    first: FW_CFG_PORT,
    count: 1,
    wide: true,
    write: ({ bus }, _, value) => selectFwCfg(bus.fwCfg, value),
  },
  { name: 'fw_cfg data', first: FW_CFG_PORT + 1, count: 1, wide: true, read: ({ bus }) => readFwCfg(bus.fwCfg) },
  {
    name: 'ACPI power management',
    first: PM1_EVENT_PORT,
    count: PM_PORTS,
    read: ({ bus, moment }, offset) => readAcpiPm(bus.acpiPm, offset, moment),
    write: ({ bus, effects }, offset, value) => {
      if (writeAcpiPm(bus.acpiPm, offset, value)) effects.push({ kind: 'power-off' })
    },
  },
  {
    name: 'PCI configuration address',
    first: 0xcf8,
    count: 4,
    wide: true,
    read: ({ bus }, offset, size) => (offset === 0 && size === 4 ? bus.pciAddress : 0xffff_ffff),
    write: (access, offset, value, size) => {
      if (offset === 0 && size === 4) access.bus.pciAddress = value >>> 0
      if (0xcf8 + offset === RESET_PORT && size === 1) reset(access, (value & 4) !== 0, 'port 0xcf9')
    },
  },
  {
    name: 'test device, interrupt lines',
    first: TESTDEV_LINES_PORT,
    count: TESTDEV_LINES,
    write: ({ bus }, offset, value) => setTestdevLine(bus.testdev, offset, value !== 0),
  },
]

/** QEMU's isa-debugcon: every byte written is printed. */
function debugConsole(name: string, port: number): PortRow {
  return {
    name,
    first: port,
    count: 1,
    wide: true,
    read: () => DEBUG_PRESENT,
    write: ({ effects }, _, value) => effects.push({ kind: 'console', byte: value & 0xff }),
  }
}

function pic(name: string, first: number, which: 0 | 1): PortRow {
  return {
    name,
    first,
    count: 2,
    read: ({ bus }, offset) => readPic(bus.pics, which, offset),
    write: ({ bus }, offset, value) => writePic(bus.pics, which, offset, value),
  }
}
