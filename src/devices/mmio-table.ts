/**
 * Devices in physical memory: a row for each range. Those made of 32-bit registers see 32-bit accesses: a narrower read is cut out of
 * the register, a narrower write sets it whole, and 64 bits are two registers. An address with no row reads all ones.
 */

import type { BusAccess } from './devices.ts'
import { HPET_BASE, readHpet, writeHpet } from './hpet.ts'
import { type InterruptMessage, IO_APIC_BASE, readIoApic, writeIoApic } from './ioapic.ts'
import { TESTDEV_MEMORY, TESTDEV_MEMORY_BYTES } from './pc-testdev.ts'

export interface MmioRow {
  readonly name: string
  readonly base: number
  readonly bytes: number
  /** Each byte can be accessed alone. */
  readonly byteWise?: true
  readonly read: (access: BusAccess, offset: number) => number
  readonly write: (access: BusAccess, offset: number, value: number) => void
}

export const MMIO: readonly MmioRow[] = [
  {
    name: 'I/O APIC',
    base: IO_APIC_BASE,
    bytes: 0x1000,
    read: ({ bus }, offset) => readIoApic(bus.ioApic, offset),
    write: ({ bus, effects }, offset, value) => {
      const messages: InterruptMessage[] = []
      writeIoApic(bus.ioApic, offset, value, messages)
      for (const message of messages) effects.push({ kind: 'interrupt', message })
    },
  },
  {
    name: 'HPET',
    base: HPET_BASE,
    bytes: 0x400,
    read: ({ bus, moment }, offset) => readHpet(bus.hpet, offset, moment),
    write: ({ bus, moment }, offset, value) => writeHpet(bus.hpet, offset, value, moment),
  },
  {
    name: 'test device, memory',
    base: TESTDEV_MEMORY,
    bytes: TESTDEV_MEMORY_BYTES,
    byteWise: true,
    read: ({ bus }, offset) => bus.testdev.memory[offset] ?? 0,
    write: ({ bus }, offset, value) => {
      bus.testdev.memory[offset] = value
    },
  },
]
