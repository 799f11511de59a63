/**
 * The high-precision event timers (IA-PC HPET specification): a 64-bit main counter of 100 MHz and three comparators, one-shot or
 * periodic, routed to the I/O APIC or, with legacy replacement, to lines 0 and 8 in place of the 8254 and the clock. No FSB delivery.
 */

import { shiftRight } from '../base/u64.ts'
import { cyclesSince, type Moment, NOT_DUE, tickAfterCycles } from './moment.ts'

export const HPET_BASE = 0xfed0_0000
export const HPET_HERTZ = 100_000_000
const PERIOD_FEMTOSECONDS = 1e15 / HPET_HERTZ
const TIMERS = 3

export interface HpetTimer {
  config: number
  comparator: bigint
  period: bigint
  /** The next comparator write sets the comparator itself, not only the period. */
  setsValue: boolean
}

export interface HpetState {
  config: number
  status: number
  /** Main counter at tick `since`; it stands still while disabled. */
  counter: bigint
  since: number
  timers: HpetTimer[]
  /** Levels of the lines that level-triggered timers hold. */
  lines: number
}

const ENABLE = 1
const LEGACY = 2
const LEVEL = 1 << 1
const INTERRUPT = 1 << 2
const PERIODIC = 1 << 3
const IS_64_BIT = 1 << 5
const SET_VALUE = 1 << 6
const FORCE_32 = 1 << 8
const CAN_PERIODIC = 1 << 4
const WRITABLE = LEVEL | INTERRUPT | PERIODIC | FORCE_32 | (31 << 9)
/** Lines that a timer may be routed to: 2, 8 and 16 to 23. */
const ROUTES = 0x00ff_0104

export const newHpet = (): HpetState => ({
  config: 0,
  status: 0,
  counter: 0n,
  since: 0,
  timers: Array.from({ length: TIMERS }, () => ({ config: 0, comparator: 0xffff_ffff_ffff_ffffn, period: 0n, setsValue: false })),
  lines: 0,
})

const isEnabled = ({ config }: HpetState): boolean => (config & ENABLE) !== 0
/** Lines 0 and 8 are the HPET's. */
export const replacesLegacy = ({ config }: HpetState): boolean => (config & LEGACY) !== 0

const counterAt = (hpet: HpetState, moment: Moment): bigint =>
  isEnabled(hpet) ? BigInt.asUintN(64, hpet.counter + BigInt(cyclesSince(hpet.since, moment, HPET_HERTZ))) : hpet.counter

const high = (value: bigint): number => Number(shiftRight(value, 32))
const low = (value: bigint): number => Number(value & 0xffff_ffffn)

/** A 32-bit register at a byte offset that is a multiple of 4. */
export function readHpet(hpet: HpetState, offset: number, moment: Moment): number {
  switch (offset) {
    case 0x000:
      return (0x8086_0000 | (1 << 15) | (1 << 13) | ((TIMERS - 1) << 8) | 1) >>> 0
    case 0x004:
      return PERIOD_FEMTOSECONDS
    case 0x010:
      return hpet.config
    case 0x020:
      return hpet.status
    case 0x0f0:
      return low(counterAt(hpet, moment))
    case 0x0f4:
      return high(counterAt(hpet, moment))
    default:
      return readTimer(hpet.timers[(offset - 0x100) >> 5], offset & 0x1f)
  }
}

function readTimer(timer: HpetTimer | undefined, register: number): number {
  if (timer === undefined) return 0
  if (register === 0x00) return timer.config | CAN_PERIODIC | IS_64_BIT
  if (register === 0x04) return ROUTES
  if (register === 0x08) return low(timer.comparator)
  return register === 0x0c ? high(timer.comparator) : 0
}

export function writeHpet(hpet: HpetState, offset: number, value: number, moment: Moment): void {
  const halves = (whole: bigint): bigint =>
    (offset & 4) === 0 ? (whole & ~0xffff_ffffn) | BigInt(value >>> 0) : (whole & 0xffff_ffffn) | (BigInt(value >>> 0) << 32n)
  switch (offset & ~4) {
    case 0x010:
      if ((offset & 4) !== 0) return
      hpet.counter = counterAt(hpet, moment)
      hpet.since = moment.tick
      hpet.config = value & (ENABLE | LEGACY)
      return
    case 0x020:
      if ((offset & 4) === 0) clearStatus(hpet, value)
      return
    case 0x0f0:
      if (!isEnabled(hpet)) hpet.counter = halves(hpet.counter)
      return
    default: {
      const timer = hpet.timers[(offset - 0x100) >> 5]
      if (offset >= 0x100 && timer !== undefined) writeTimer(timer, offset & 0x1f, value, halves)
    }
  }
}

/** Writing 1 to a status bit lets its line go. */
function clearStatus(hpet: HpetState, value: number): void {
  hpet.status &= ~value
  hpet.lines = 0
  for (const [index, timer] of hpet.timers.entries()) if (((hpet.status >> index) & 1) === 1) hpet.lines |= 1 << lineOf(hpet, index, timer)
}

function writeTimer(timer: HpetTimer, register: number, value: number, halves: (whole: bigint) => bigint): void {
  if (register === 0x00) {
    timer.config = value & WRITABLE
    timer.setsValue = (value & SET_VALUE) !== 0
  } else if (register === 0x08 || register === 0x0c) {
    const periodic = (timer.config & PERIODIC) !== 0
    if (!periodic || timer.setsValue) timer.comparator = halves(timer.comparator)
    // In periodic mode the value is the period; the accumulator takes it only after SET_VALUE.
    if (periodic) timer.period = halves(timer.period)
    if (register === 0x0c || (timer.config & FORCE_32) !== 0 || !periodic) timer.setsValue = false
  }
}

const lineOf = (hpet: HpetState, index: number, { config }: HpetTimer): number =>
  replacesLegacy(hpet) && index < 2 ? index * 8 : (config >> 9) & 31

const width = ({ config }: HpetTimer): number => ((config & FORCE_32) === 0 ? 64 : 32)

/** The tick after `moment` at which a timer's comparator matches. */
function timerDue(hpet: HpetState, timer: HpetTimer, moment: Moment): number {
  if (!isEnabled(hpet) || (timer.config & INTERRUPT) === 0) return NOT_DUE
  const bits = width(timer)
  const distance = BigInt.asUintN(bits, timer.comparator - counterAt(hpet, moment))
  const cycles = distance === 0n ? 1n << BigInt(bits) : distance
  const passed = cyclesSince(hpet.since, moment, HPET_HERTZ)
  return cycles > 2n ** 50n ? NOT_DUE : tickAfterCycles(hpet.since, passed + Number(cycles), moment, HPET_HERTZ)
}

export const hpetDue = (hpet: HpetState, moment: Moment): number => Math.min(...hpet.timers.map(timer => timerDue(hpet, timer, moment)))

/** The lines of the timers that will match. */
export const hpetLinesDue = (hpet: HpetState, moment: Moment): number =>
  hpet.timers.reduce(
    (lines, timer, index) => (timerDue(hpet, timer, moment) === NOT_DUE ? lines : lines | (1 << lineOf(hpet, index, timer))),
    0,
  )

/** Timers that match at this very moment; returns the lines that edge-triggered ones pulse. */
export function advanceHpet(hpet: HpetState, from: Moment, moment: Moment): number {
  let pulses = 0
  for (const [index, timer] of hpet.timers.entries()) {
    if (timerDue(hpet, timer, from) > moment.tick) continue
    const line = 1 << lineOf(hpet, index, timer)
    if ((timer.config & LEVEL) === 0) pulses |= line
    else {
      hpet.status |= 1 << index
      hpet.lines |= line
    }
    if ((timer.config & PERIODIC) !== 0 && timer.period > 0n)
      timer.comparator = BigInt.asUintN(width(timer), timer.comparator + timer.period)
  }
  return pulses
}
