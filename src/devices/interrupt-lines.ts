/**
 * The interrupt lines as wired on a PC: a line is high while any of its devices drives it, and goes to both controllers. Lines 0 to 15 are
 * the inputs of the 8259 pair; on the I/O APIC line 0 is pin 2 (the MADT says so), and every other line the pin of its number.
 */

import type { BusAccess, BusState } from './devices.ts'
import { hpetLinesDue, replacesLegacy } from './hpet.ts'
import { type InterruptMessage, IO_APIC_PINS, type IoApicState, setIoApicPin, vectorOfPin } from './ioapic.ts'
import { type Moment, NOT_DUE } from './moment.ts'
import { CASCADE_LINE, type Pic, type PicPair, setPicInput } from './pic.ts'
import { pitDue, pitOutput } from './pit.ts'
import { rtcDue, rtcInterrupts } from './rtc.ts'
import { uartInterrupts } from './uart.ts'

export const TIMER_LINE = 0
export const UART_LINE = 4
export const RTC_LINE = 8
/** Where the I/O APIC has the timer. */
export const TIMER_PIN = 2
const PIC_LINES = 16

export const pinOf = (line: number): number => (line === TIMER_LINE ? TIMER_PIN : line)

/** Which lines are driven high at a moment. */
function driven({ pit, rtc, uart, hpet, testdev }: BusState, moment: Moment): number {
  const legacy = replacesLegacy(hpet)
  const clock = rtcInterrupts(rtc)
  return (
    (!legacy && pitOutput(pit, 0, moment) ? 1 << TIMER_LINE : 0) |
    (!legacy && clock ? 1 << RTC_LINE : 0) |
    (uartInterrupts(uart) ? 1 << UART_LINE : 0) |
    hpet.lines |
    testdev.lines
  )
}

/** Brings the controllers up to date with what the devices drive; `pulses` are lines that were high for an instant. */
export function updateLines(access: BusAccess, pulses = 0): void {
  const level = driven(access.bus, access.moment)
  if (pulses !== 0) setLines(access, level | pulses)
  setLines(access, level)
}

function setLines({ bus, effects }: BusAccess, level: number): void {
  const changed = bus.lines ^ level
  if (changed === 0) return
  bus.lines = level
  const messages: InterruptMessage[] = []
  for (let line = 0; line < IO_APIC_PINS; line++) {
    if (((changed >> line) & 1) === 0) continue
    const high = ((level >> line) & 1) === 1
    if (line < PIC_LINES && line !== CASCADE_LINE) setPicInput(bus.pics, line, high)
    if (line !== TIMER_PIN) setIoApicPin(bus.ioApic, pinOf(line), high, messages)
  }
  for (const message of messages) effects.push({ kind: 'interrupt', message })
  effects.push({ kind: 'lines', level })
}

/** The lines that will rise by themselves. */
export function linesDue({ pit, rtc, hpet }: BusState, moment: Moment): number {
  const legacy = replacesLegacy(hpet)
  return (
    (!legacy && pitDue(pit, moment) !== NOT_DUE ? 1 << TIMER_LINE : 0) |
    (!legacy && rtcDue(rtc, moment) !== NOT_DUE ? 1 << RTC_LINE : 0) |
    hpetLinesDue(hpet, moment)
  )
}

/** Whether the 8259 pair lets one of these lines through. */
export function passesPics([first, second]: PicPair, lines: number): boolean {
  const open = (~first.mask & 0xff) | (isMasked(first, CASCADE_LINE) ? 0 : (~second.mask & 0xff) << 8)
  return (lines & open & ~(1 << CASCADE_LINE)) !== 0
}

/** Whether the I/O APIC would make of one of these lines an interrupt whose class is above `floor`. */
export function passesIoApic(ioApic: IoApicState, lines: number, floor: number): boolean {
  for (let line = 0; line < IO_APIC_PINS; line++)
    if (((lines >> line) & 1) === 1 && vectorOfPin(ioApic, pinOf(line)) >> 4 > floor) return true
  return false
}

const isMasked = ({ mask }: Pic, line: number): boolean => ((mask >> line) & 1) === 1
