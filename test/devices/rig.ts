/** Devices with no CPU: ports and addresses at ticks of a 2 GHz clock, and what comes of them. */

import { dueTick, readMmio, readPort, settle, writeMmio, writePort } from '../../src/devices/bus.ts'
import { type BusEffect, type BusFacts, newBus } from '../../src/devices/devices.ts'

export const HERTZ = 2_000_000_000
/** Ticks of so many milliseconds. */
export const ms = (milliseconds: number): number => (milliseconds * HERTZ) / 1000

const FACTS: BusFacts = {
  cpus: 2,
  memoryBytes: 64 * 2 ** 20,
  dateSeconds: Date.UTC(2026, 6, 9, 23, 59, 58) / 1000,
  commandLine: 'a=b',
  files: [],
}

export function rig(facts: Partial<BusFacts> = {}) {
  const bus = newBus({ ...FACTS, ...facts })
  const effects: BusEffect[] = []
  const state = { tick: 0 }
  const now = () => ({ bus, moment: { tick: state.tick, hertz: HERTZ }, effects })
  return {
    bus,
    effects,
    /** Lets time pass. */
    wait(ticks: number): void {
      state.tick += ticks
      settle(now())
    },
    due: () => dueTick(bus, HERTZ),
    in: (port: number, size = 1) => readPort(now(), port, size),
    out: (port: number, value: number, size = 1) => writePort(now(), port, size, value),
    load: (address: number, size = 4) => readMmio(now(), address, size),
    store: (address: number, value: number, size = 4) => writeMmio(now(), address, size, value),
    /** Vectors that the I/O APIC sent since the last look. */
    sent: () => effects.splice(0).flatMap(effect => (effect.kind === 'interrupt' ? [effect.message.vector] : [])),
  }
}

export type Rig = ReturnType<typeof rig>

/** Both 8259s as a PC's software sets them up: vectors 0x20 and 0x28, everything open. */
export function openPics({ out }: Rig): void {
  for (const [port, base, cascade] of [
    [0x20, 0x20, 4],
    [0xa0, 0x28, 2],
  ] as const) {
    out(port, 0x11)
    out(port + 1, base)
    out(port + 1, cascade)
    out(port + 1, 0x01)
    out(port + 1, 0x00)
  }
}
