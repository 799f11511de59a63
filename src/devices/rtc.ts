/**
 * The real-time clock with its CMOS memory (Motorola MC146818 data sheet): ports 0x70 and 0x71, interrupt line 8. It shows the date of
 * the configuration plus the machine's own time. Alarm, periodic and update-ended interrupts are modelled; setting the time moves
 * what is shown.
 */

import { bit } from '../base/bits.ts'
import { cyclesSince, type Moment, NOT_DUE, tickAfterCycles } from './moment.ts'

export interface RtcState {
  index: number
  /** 128 bytes; those of the clock itself are worked out when they are read. */
  memory: number[]
  /** Seconds since 1970 that the clock shows at tick `since`. */
  seconds: number
  since: number
  /** Periods of the periodic interrupt, and seconds, that were dealt with. */
  periodsSeen: number
  periodicSince: number
  secondsSeen: number
}

const SECONDS = 0
const SECONDS_ALARM = 1
const MINUTES = 2
const MINUTES_ALARM = 3
const HOURS = 4
const HOURS_ALARM = 5
const DAY_OF_WEEK = 6
const DAY = 7
const MONTH = 8
const YEAR = 9
const STATUS_A = 10
const STATUS_B = 11
const STATUS_C = 12
const STATUS_D = 13
const CENTURY = 0x32

const B_24_HOURS = 1
const B_BINARY = 2
const B_UPDATE = 4
const B_ALARM = 5
const B_PERIODIC = 6
const B_SET = 7
const UPDATE_IN_PROGRESS = 0x80
const VALID = 0x80
const OSCILLATOR_HERTZ = 32_768
/** An update takes 244 us and is announced as long before: so this part of each second has the flag set. */
const UPDATE_PART = 1 - 244e-6

const CLOCK_REGISTERS: ReadonlySet<number> = new Set([SECONDS, MINUTES, HOURS, DAY_OF_WEEK, DAY, MONTH, YEAR, CENTURY])

/** What firmware leaves in the CMOS memory: sizes of memory in the units that its users expect. */
function memoryBytes(memoryBytes: number, cpus: number): number[] {
  const bytes = new Array<number>(128).fill(0)
  const word = (at: number, value: number): void => {
    bytes[at] = value & 0xff
    bytes[at + 1] = (value >> 8) & 0xff
  }
  const extendedKib = Math.min(0xffff, Math.max(0, memoryBytes / 1024 - 1024))
  word(0x15, 640)
  word(0x17, extendedKib)
  word(0x30, extendedKib)
  word(0x34, Math.min(0xffff, Math.max(0, Math.floor((memoryBytes - 16 * 2 ** 20) / 65536))))
  bytes[0x5f] = cpus - 1
  bytes[STATUS_A] = 0x26
  bytes[STATUS_B] = 0x02
  return bytes
}

/** `seconds` since 1970 is the date at tick 0. */
export const newRtc = (seconds: number, memory: number, cpus: number): RtcState => ({
  index: 0,
  memory: memoryBytes(memory, cpus),
  seconds,
  since: 0,
  periodsSeen: 0,
  periodicSince: 0,
  secondsSeen: 0,
})

const has = (rtc: RtcState, position: number): boolean => bit(rtc.memory[STATUS_B]!, position)

/** Seconds that have passed since the clock was set last. */
const passed = (rtc: RtcState, moment: Moment): number => cyclesSince(rtc.since, moment, 1)

export function readRtc(rtc: RtcState, register: number, moment: Moment): number {
  if (register === 0) return 0xff // the index cannot be read
  const { index } = rtc
  if (CLOCK_REGISTERS.has(index) && !has(rtc, B_SET)) return fieldAt(rtc, index, rtc.seconds + passed(rtc, moment))
  if (index === STATUS_A) {
    const part = (moment.tick - rtc.since) / moment.hertz
    const updating = !has(rtc, B_SET) && part - Math.floor(part) >= UPDATE_PART
    return (rtc.memory[STATUS_A]! & 0x7f) | (updating ? UPDATE_IN_PROGRESS : 0)
  }
  if (index === STATUS_C) {
    advanceRtc(rtc, moment)
    rtcInterrupts(rtc)
    const flags = rtc.memory[STATUS_C]!
    rtc.memory[STATUS_C] = 0
    return flags
  }
  return index === STATUS_D ? VALID : rtc.memory[index]!
}

/** A register of the clock, in the format that status B asks for. */
function fieldAt(rtc: RtcState, index: number, seconds: number): number {
  const date = new Date(seconds * 1000)
  const year = date.getUTCFullYear()
  const values: Readonly<Record<number, number>> = {
    [SECONDS]: date.getUTCSeconds(),
    [MINUTES]: date.getUTCMinutes(),
    [DAY_OF_WEEK]: date.getUTCDay() + 1,
    [DAY]: date.getUTCDate(),
    [MONTH]: date.getUTCMonth() + 1,
    [YEAR]: year % 100,
    [CENTURY]: Math.floor(year / 100),
  }
  const hour = date.getUTCHours()
  if (index !== HOURS) return coded(rtc, values[index]!)
  if (has(rtc, B_24_HOURS)) return coded(rtc, hour)
  return coded(rtc, hour % 12 === 0 ? 12 : hour % 12) | (hour >= 12 ? 0x80 : 0)
}

const coded = (rtc: RtcState, value: number): number => (has(rtc, B_BINARY) ? value : (Math.floor(value / 10) << 4) | (value % 10))
const decoded = (rtc: RtcState, value: number): number => (has(rtc, B_BINARY) ? value : (value >> 4) * 10 + (value & 15))

export function writeRtc(rtc: RtcState, register: number, value: number, moment: Moment): void {
  if (register === 0) {
    rtc.index = value & 0x7f
    return
  }
  const { index, memory } = rtc
  if (index === STATUS_C || index === STATUS_D) return
  if (index === STATUS_B) return writeStatusB(rtc, value, moment)
  if (index === STATUS_A && (value & 0x0f) !== (memory[STATUS_A]! & 0x0f)) restartPeriods(rtc, moment)
  if (CLOCK_REGISTERS.has(index) && !has(rtc, B_SET)) {
    stop(rtc, moment)
    memory[index] = value
    start(rtc, moment)
  } else memory[index] = value
}

/** With SET the registers stand still and hold what is written; without, the clock goes on from them. */
function writeStatusB(rtc: RtcState, value: number, moment: Moment): void {
  advanceRtc(rtc, moment)
  const wasSet = has(rtc, B_SET)
  if (bit(value, B_SET) && !wasSet) stop(rtc, moment)
  if (bit(value, B_PERIODIC) && !has(rtc, B_PERIODIC)) restartPeriods(rtc, moment)
  rtc.memory[STATUS_B] = value
  if (!bit(value, B_SET) && wasSet) start(rtc, moment)
}

function restartPeriods(rtc: RtcState, moment: Moment): void {
  rtc.periodicSince = moment.tick
  rtc.periodsSeen = 0
}

function stop(rtc: RtcState, moment: Moment): void {
  const now = rtc.seconds + passed(rtc, moment)
  for (const index of CLOCK_REGISTERS) rtc.memory[index] = fieldAt(rtc, index, now)
}

function start(rtc: RtcState, moment: Moment): void {
  const value = (index: number): number => decoded(rtc, rtc.memory[index]!)
  const rawHour = rtc.memory[HOURS]!
  const hour = has(rtc, B_24_HOURS) ? value(HOURS) : (decoded(rtc, rawHour & 0x7f) % 12) + (bit(rawHour, 7) ? 12 : 0)
  const year = value(CENTURY) * 100 + value(YEAR)
  const set = Date.UTC(year, value(MONTH) - 1, value(DAY), hour, value(MINUTES), value(SECONDS)) / 1000
  // What is no date leaves the clock as it was.
  if (Number.isFinite(set)) rtc.seconds = set
  rtc.since = moment.tick
  rtc.secondsSeen = 0
}

/** Frequency of the periodic interrupt, 0 for none. */
function periodicHertz(rtc: RtcState): number {
  const rate = rtc.memory[STATUS_A]! & 0x0f
  return rate === 0 ? 0 : OSCILLATOR_HERTZ >> (rate <= 2 ? rate + 6 : rate - 1)
}

/** The next tick at which one of the enabled interrupts is due. */
export function rtcDue(rtc: RtcState, moment: Moment): number {
  const hertz = periodicHertz(rtc)
  const periodic = has(rtc, B_PERIODIC) && hertz > 0 ? tickAfterCycles(rtc.periodicSince, rtc.periodsSeen + 1, moment, hertz) : NOT_DUE
  const everySecond = (has(rtc, B_UPDATE) || has(rtc, B_ALARM)) && !has(rtc, B_SET)
  return Math.min(periodic, everySecond ? tickAfterCycles(rtc.since, rtc.secondsSeen + 1, moment, 1) : NOT_DUE)
}

/** Flags what has come due. */
export function advanceRtc(rtc: RtcState, moment: Moment): void {
  const hertz = periodicHertz(rtc)
  let flags = 0
  if (has(rtc, B_PERIODIC) && hertz > 0) {
    const periods = cyclesSince(rtc.periodicSince, moment, hertz)
    if (periods > rtc.periodsSeen) flags |= 1 << B_PERIODIC
    rtc.periodsSeen = periods
  }
  const seconds = passed(rtc, moment)
  if (seconds > rtc.secondsSeen && !has(rtc, B_SET)) {
    flags |= 1 << B_UPDATE
    if (alarmMatches(rtc, rtc.seconds + seconds)) flags |= 1 << B_ALARM
  }
  rtc.secondsSeen = seconds
  rtc.memory[STATUS_C] = (rtc.memory[STATUS_C]! & 0x70) | flags
}

/** An alarm byte from 0xC0 on matches everything. */
function alarmMatches(rtc: RtcState, seconds: number): boolean {
  const matches = (alarm: number, index: number): boolean =>
    rtc.memory[alarm]! >= 0xc0 || rtc.memory[alarm] === fieldAt(rtc, index, seconds)
  return matches(SECONDS_ALARM, SECONDS) && matches(MINUTES_ALARM, MINUTES) && matches(HOURS_ALARM, HOURS)
}

/** Level of line 8: an enabled flag is set. Status C shows it as bit 7. */
export function rtcInterrupts(rtc: RtcState): boolean {
  const asserted = (rtc.memory[STATUS_C]! & rtc.memory[STATUS_B]! & 0x70) !== 0
  rtc.memory[STATUS_C] = (rtc.memory[STATUS_C]! & 0x7f) | (asserted ? 0x80 : 0)
  return asserted
}
