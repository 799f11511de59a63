/** All devices of the machine as one plain object, and what their accesses need and bring about. */

import { type AcpiPmState, newAcpiPm } from './acpi-pm.ts'
import { type FwCfgFacts, type FwCfgState, newFwCfg } from './fw-cfg.ts'
import { type HpetState, newHpet } from './hpet.ts'
import { updateLines } from './interrupt-lines.ts'
import { type InterruptMessage, type IoApicState, newIoApic } from './ioapic.ts'
import { type KeyboardControllerState, newKeyboardController } from './keyboard-controller.ts'
import type { Moment } from './moment.ts'
import { newPcTestdev, type PcTestdevState } from './pc-testdev.ts'
import { newPics, type PicPair } from './pic.ts'
import { newPit, type PitState } from './pit.ts'
import { newRtc, type RtcState } from './rtc.ts'
import { newUart, type UartState } from './uart.ts'

export interface BusState {
  uart: UartState
  pics: PicPair
  pit: PitState
  rtc: RtcState
  ioApic: IoApicState
  hpet: HpetState
  acpiPm: AcpiPmState
  fwCfg: FwCfgState
  keyboard: KeyboardControllerState
  testdev: PcTestdevState
  /** PCI configuration address, port 0xCF8. */
  pciAddress: number
  /** The last byte at port 0x80. */
  postCode: number
  /** Levels of the interrupt lines 0 to 23. */
  lines: number
  /** The tick up to which everything that comes due by itself has been done. */
  settled: number
  /** Levels of the lines, as they followed each other, that user space has not told KVM yet; on the bare CPU there is none to tell. */
  outbox: number[]
  /** The levels that it told KVM last. */
  told: number
}

/** What the devices must know about the machine. */
export interface BusFacts extends FwCfgFacts {
  /** The date at power-on, in seconds since 1970. */
  readonly dateSeconds: number
}

/** At power-on; the lines are as the devices drive them, and no edge of that is remembered. */
export function newBus(facts: BusFacts): BusState {
  const bus = newDevices(facts)
  updateLines({ bus, moment: { tick: 0, hertz: 1 }, effects: [] })
  for (const pic of bus.pics) pic.requests = 0
  bus.told = bus.lines
  return bus
}

const newDevices = (facts: BusFacts): BusState => ({
  uart: newUart(),
  pics: newPics(),
  pit: newPit(),
  rtc: newRtc(facts.dateSeconds, facts.memoryBytes, facts.cpus),
  ioApic: newIoApic(),
  hpet: newHpet(),
  acpiPm: newAcpiPm(),
  fwCfg: newFwCfg(facts),
  keyboard: newKeyboardController(),
  testdev: newPcTestdev(),
  pciAddress: 0,
  postCode: 0,
  lines: 0,
  settled: 0,
  outbox: [],
  told: 0,
})

/** What an access did that somebody outside the devices has to act on. */
export type BusEffect =
  | { readonly kind: 'console'; readonly byte: number }
  | { readonly kind: 'exit'; readonly status: number }
  | { readonly kind: 'reset'; readonly by: string }
  | { readonly kind: 'power-off' }
  | { readonly kind: 'interrupt'; readonly message: InterruptMessage }
  | { readonly kind: 'lines'; readonly level: number }

/** One access: the devices, when it happens, and the list that its effects are added to. */
export interface BusAccess {
  readonly bus: BusState
  readonly moment: Moment
  readonly effects: BusEffect[]
}
