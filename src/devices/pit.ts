/**
 * The 8254 interval timer (Intel 8254 data sheet): three counters of 1,193,182 Hz in the six modes, latches and read-back, and the
 * PC's port 0x61 around counter 2 (gate, speaker, its output). Counter 0's output is interrupt line 0.
 *
 * A counter is described by when it was loaded; what it holds follows from the time since. BCD counting is not modelled: its bit is
 * kept and counts are taken as binary.
 */

import { bit } from '../base/bits.ts'
import { cyclesSince, type Moment, NOT_DUE, tickAfterCycles } from './moment.ts'

export const PIT_HERTZ = 1_193_182

export interface PitCounter {
  /** The control word's low six bits: access, mode, BCD. */
  control: number
  /** 1 to 65536; 0 before the first count is written. */
  count: number
  /** Tick at which the current count was loaded. */
  loaded: number
  gate: boolean
  /** Cycles that had passed when the gate stopped counting, -1 while it counts. */
  stoppedAt: number
  /** The counter began anew: one-shot modes fire once for each load or trigger. */
  triggered: boolean
  /** Low byte of a count whose high byte is still to come, -1 for none. */
  writeLow: number
  readsHigh: boolean
  /** Latched values that the next reads give. */
  latchedCount: number
  latchedStatus: number
}

export interface PitState {
  counters: [PitCounter, PitCounter, PitCounter]
  /** Bit 1 of port 0x61: counter 2's output goes to the speaker. */
  speaker: boolean
}

const newCounter = (gate: boolean): PitCounter => ({
  control: 0x30,
  count: 0,
  loaded: 0,
  gate,
  stoppedAt: -1,
  triggered: false,
  writeLow: -1,
  readsHigh: false,
  latchedCount: -1,
  latchedStatus: -1,
})

/** Counter 0 in the mode that firmware leaves it in, so that its output is high; none is loaded. */
export const newPit = (): PitState => ({
  counters: [{ ...newCounter(true), control: 0x34 }, newCounter(true), newCounter(false)],
  speaker: false,
})

/** Modes 6 and 7 are 2 and 3. */
const modeOf = ({ control }: PitCounter): number => {
  const mode = (control >> 1) & 7
  return mode > 5 ? mode - 4 : mode
}
const isPeriodic = (counter: PitCounter): boolean => modeOf(counter) === 2 || modeOf(counter) === 3

const elapsed = (counter: PitCounter, moment: Moment): number =>
  counter.stoppedAt >= 0 ? counter.stoppedAt : cyclesSince(counter.loaded, moment, PIT_HERTZ)

/** What the counting element holds. */
function countOf(counter: PitCounter, moment: Moment): number {
  const { count, triggered } = counter
  if (count === 0 || !triggered) return count & 0xffff
  const passed = elapsed(counter, moment)
  if (modeOf(counter) === 3) return (count - ((2 * passed) % count)) & 0xfffe
  if (isPeriodic(counter)) return (count - (passed % count)) & 0xffff
  return (count - passed) & 0xffff
}

/** The level of a counter's output. */
export function pitOutput({ counters }: PitState, index: 0 | 1 | 2, moment: Moment): boolean {
  const counter = counters[index]
  const { count, triggered } = counter
  const mode = modeOf(counter)
  if (count === 0 || !triggered) return mode !== 0
  const passed = elapsed(counter, moment)
  switch (mode) {
    case 0:
    case 1:
      return passed >= count
    case 2:
      return passed % count !== count - 1
    case 3:
      return passed % count < Math.ceil(count / 2)
    default:
      return passed !== count
  }
}

/** The next tick at which counter 0's output changes. */
export function pitDue({ counters: [counter] }: PitState, moment: Moment): number {
  const { count, loaded, triggered, stoppedAt } = counter
  if (count === 0 || !triggered || stoppedAt >= 0) return NOT_DUE
  const passed = elapsed(counter, moment)
  const change = nextChange(modeOf(counter), count, passed)
  return change < 0 ? NOT_DUE : tickAfterCycles(loaded, change, moment, PIT_HERTZ)
}

/** The cycle after `passed` at which the output changes, -1 for never. */
function nextChange(mode: number, count: number, passed: number): number {
  const start = passed - (passed % count)
  const inPeriod = passed % count
  switch (mode) {
    case 0:
    case 1:
      return passed < count ? count : -1
    case 2:
      return inPeriod < count - 1 ? start + count - 1 : start + count
    case 3: {
      const half = Math.ceil(count / 2)
      return inPeriod < half ? start + half : start + count
    }
    default:
      return passed < count ? count : passed === count ? count + 1 : -1
  }
}

export function readPit({ counters }: PitState, register: number, moment: Moment): number {
  const counter = counters[register]
  if (counter === undefined) return 0xff // the control word cannot be read
  if (counter.latchedStatus >= 0) {
    const status = counter.latchedStatus
    counter.latchedStatus = -1
    return status
  }
  const value = counter.latchedCount >= 0 ? counter.latchedCount : countOf(counter, moment)
  const access = (counter.control >> 4) & 3
  const high = access === 2 || (access === 3 && counter.readsHigh)
  if (access === 3) counter.readsHigh = !counter.readsHigh
  if (access !== 3 || high) counter.latchedCount = -1
  return high ? value >> 8 : value & 0xff
}

export function writePit(pit: PitState, register: number, value: number, moment: Moment): void {
  if (register === 3) writeControl(pit, value, moment)
  else writeCount(pit.counters[register]!, value, moment)
}

function writeControl(pit: PitState, word: number, moment: Moment): void {
  const select = word >> 6
  if (select === 3) {
    for (const index of [0, 1, 2] as const) if (bit(word, index + 1)) readBack(pit, index, word, moment)
    return
  }
  const counter = pit.counters[select]!
  if ((word & 0x30) === 0) {
    if (counter.latchedCount < 0) counter.latchedCount = countOf(counter, moment)
    return
  }
  const fresh = { ...newCounter(counter.gate), control: word & 0x3f, loaded: moment.tick }
  Object.assign(counter, fresh)
}

/** Bits 5 and 4 clear ask for the count and the status. */
function readBack(pit: PitState, index: 0 | 1 | 2, word: number, moment: Moment): void {
  const counter = pit.counters[index]
  if (!bit(word, 5) && counter.latchedCount < 0) counter.latchedCount = countOf(counter, moment)
  if (bit(word, 4) || counter.latchedStatus >= 0) return
  const output = pitOutput(pit, index, moment) ? 0x80 : 0
  counter.latchedStatus = output | (counter.count === 0 ? 0x40 : 0) | counter.control
}

function writeCount(counter: PitCounter, value: number, moment: Moment): void {
  const access = (counter.control >> 4) & 3
  if (access === 3 && counter.writeLow < 0) {
    counter.writeLow = value
    // The first byte stops a count that would end in an interrupt.
    if (modeOf(counter) === 0) counter.triggered = false
    return
  }
  const count = access === 1 ? value : access === 2 ? value << 8 : counter.writeLow | (value << 8)
  counter.writeLow = -1
  load(counter, count === 0 ? 0x1_0000 : count, moment)
}

/** Modes 1 and 5 wait for the gate; a running periodic mode would take the count over at its next period: here it starts at once. */
function load(counter: PitCounter, count: number, moment: Moment): void {
  counter.count = count
  const mode = modeOf(counter)
  if (mode === 1 || mode === 5) return
  counter.triggered = true
  counter.loaded = moment.tick
  counter.stoppedAt = counter.gate ? -1 : 0
}

/** Counter 2's gate is bit 0 of port 0x61. */
export function setPitGate({ counters }: PitState, gate: boolean, moment: Moment): void {
  const counter = counters[2]
  if (counter.gate === gate) return
  const passed = elapsed(counter, moment)
  counter.gate = gate
  const mode = modeOf(counter)
  if (mode === 1 || mode === 5) {
    if (gate && counter.count > 0) Object.assign(counter, { triggered: true, loaded: moment.tick, stoppedAt: -1 })
  } else if (!gate) counter.stoppedAt = passed
  else if (mode === 2 || mode === 3) Object.assign(counter, { loaded: moment.tick, stoppedAt: -1 })
  else
    Object.assign(counter, { loaded: moment.tick - tickAfterCycles(0, Math.max(0, counter.stoppedAt), moment, PIT_HERTZ), stoppedAt: -1 })
}

/** Port 0x61: gate, speaker, the refresh bit that toggles every 15 us, counter 2's output. */
export function readPort61(pit: PitState, moment: Moment): number {
  const refresh = cyclesSince(0, moment, REFRESH_HERTZ) & 1
  return (pit.counters[2].gate ? 1 : 0) | (pit.speaker ? 2 : 0) | (refresh << 4) | (pitOutput(pit, 2, moment) ? 0x20 : 0)
}

const REFRESH_HERTZ = 66_287

export function writePort61(pit: PitState, value: number, moment: Moment): void {
  setPitGate(pit, bit(value, 0), moment)
  pit.speaker = bit(value, 1)
}
