/**
 * The 8042 keyboard controller, with a keyboard that nobody types on and no mouse: what software uses it for is to reset the machine and
 * to open the A20 gate. Port 0x92 does the same two things faster. A20 is always open; its bits are kept.
 */

import { bit } from '../base/bits.ts'

export interface KeyboardControllerState {
  /** Bytes that port 0x60 gives. */
  output: number[]
  /** The command that the next byte at port 0x60 belongs to, 0 for none. */
  command: number
  configuration: number
  outputPort: number
  port92: number
}

const STATUS_OUTPUT_FULL = 0x01
/** Self-test passed, keyboard not locked. */
const STATUS_IDLE = 0x14
const A20 = 0x02

const COMMAND = {
  readConfiguration: 0x20,
  writeConfiguration: 0x60,
  testSecondPort: 0xa9,
  selfTest: 0xaa,
  testFirstPort: 0xab,
  readOutputPort: 0xd0,
  writeOutputPort: 0xd1,
} as const

const ANSWERS: Readonly<Record<number, number>> = {
  [COMMAND.selfTest]: 0x55,
  [COMMAND.testFirstPort]: 0,
  [COMMAND.testSecondPort]: 0,
}

const ACKNOWLEDGE = 0xfa
/** What the keyboard says after it has acknowledged: a passed self-test after reset, its ID. */
const KEYBOARD_ANSWERS: Readonly<Record<number, readonly number[]>> = { 255: [0xaa], 242: [0xab, 0x83] }

export const newKeyboardController = (): KeyboardControllerState => ({
  output: [],
  command: 0,
  configuration: 0x34, // translation, both ports disabled
  outputPort: 0x01 | A20,
  port92: A20,
})

export const readKeyboardStatus = ({ output }: KeyboardControllerState): number =>
  STATUS_IDLE | (output.length > 0 ? STATUS_OUTPUT_FULL : 0)

export const readKeyboardData = ({ output }: KeyboardControllerState): number => output.shift() ?? 0

/** A command at port 0x64; returns whether it pulses the reset line. */
export function writeKeyboardCommand(state: KeyboardControllerState, value: number): boolean {
  // Commands 0xF0 to 0xFF pulse the lines of the output port whose bit is clear; line 0 is reset.
  if (value >= 0xf0) return !bit(value, 0)
  if (value === COMMAND.readConfiguration) state.output.push(state.configuration)
  else if (value === COMMAND.readOutputPort) state.output.push(state.outputPort)
  else if (value in ANSWERS) state.output.push(ANSWERS[value]!)
  else if (value === COMMAND.writeConfiguration || value === COMMAND.writeOutputPort) state.command = value
  return false
}

/** A byte at port 0x60: the argument of a command, or a command of the keyboard's. Returns whether it resets. */
export function writeKeyboardData(state: KeyboardControllerState, value: number): boolean {
  const { command } = state
  state.command = 0
  if (command === 0) state.output.push(ACKNOWLEDGE, ...(KEYBOARD_ANSWERS[value] ?? []))
  if (command === COMMAND.writeConfiguration) state.configuration = value
  if (command !== COMMAND.writeOutputPort) return false
  state.outputPort = value | A20
  return !bit(value, 0)
}

/** Bit 0 rising resets; returns whether it does. */
export function writePort92(state: KeyboardControllerState, value: number): boolean {
  const rises = bit(value, 0) && !bit(state.port92, 0)
  state.port92 = (value & 0xfe) | A20
  return rises
}
