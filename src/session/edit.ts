/**
 * A value that a person puts into the machine at a position. In a trace it is an `input` of the device `set` whose bytes are the
 * words, as `rax=0x5` or `[0x9000]:1=0x7f`; so a run with an edit replays like any other.
 */

import type { Machine } from '../hw/machine.ts'
import { retired } from '../hw/run.ts'
import type { Location } from '../query/location.ts'
import { parseLocation, parseNumberText } from '../query/location.ts'
import { GPR_NAMES, HIGH_BYTE_NAMES } from '../spec/registers.ts'
import { guestRegisters } from './timeline-guest.ts'
import { pageWalk } from './timeline-memory.ts'

export const EDIT_DEVICE = 'set'

type Settable = Extract<Location, { kind: 'register' | 'memory' }>

export interface Edit {
  readonly location: Settable
  readonly value: bigint
}

export interface EditProblem {
  readonly problem: string
  readonly help: string
}

export const EDIT_FORMS = 'rax=5, al=0x7f or [label+8]:4=0x1234'

const NO_NAMES: ReadonlyMap<string, bigint> = new Map()

/** `LOCATION=VALUE`; `names` are the program's labels. */
export function parseEdit(text: string, names: ReadonlyMap<string, bigint> = NO_NAMES): Edit | EditProblem {
  const at = text.lastIndexOf('=')
  const value = parseNumberText(text.slice(at + 1).trim())
  if (at < 0 || value === undefined) return { problem: `\`${text}\` gives no number`, help: `write ${EDIT_FORMS}` }
  const location = parseLocation(text.slice(0, at), names)
  if ('problem' in location) return location
  if (location.kind !== 'register' && location.kind !== 'memory')
    return { problem: `\`${text}\` is nothing that can be set`, help: `general registers and memory can: ${EDIT_FORMS}` }
  if (location.kind === 'memory' && location.bytes > 8)
    return { problem: `\`${text}\` sets more than 8 bytes`, help: 'set them in several edits' }
  const bits = location.kind === 'register' ? location.size : location.bytes * 8
  if (value >= 1n << BigInt(bits)) return { problem: `\`${text}\`: the value has more than ${bits} bits`, help: 'give a smaller one' }
  return { location, value }
}

const hex = (value: bigint): string => `0x${value.toString(16)}`

function locationText(location: Settable): string {
  if (location.kind === 'memory') return `[${hex(location.address)}]:${location.bytes}`
  return (location.low === 8 ? HIGH_BYTE_NAMES : GPR_NAMES[location.size])[location.index]!
}

/** The words that a trace keeps: without labels. */
export const editText = ({ location, value }: Edit): string => `${locationText(location)}=${hex(value)}`

/** Makes the edit that a trace keeps. Memory that is not mapped stays as it is. */
export function applyEdit(machine: Machine, text: string): void {
  const edit = parseEdit(text)
  if ('problem' in edit) return
  const { location, value } = edit
  if (location.kind === 'register') setRegister(machine, location, value)
  else setMemory(machine, location, value)
}

function setRegister(machine: Machine, { index, low, size }: Extract<Settable, { kind: 'register' }>, value: bigint): void {
  const { gpr } = machine.registers[machine.turn.cpu]!
  if (size === 64 || size === 32)
    gpr[index] = value // a 32-bit write clears the upper half
  else {
    const mask = ((1n << BigInt(size)) - 1n) << BigInt(low)
    gpr[index] = (gpr[index]! & ~mask) | (value << BigInt(low))
  }
}

function setMemory(machine: Machine, { address, bytes }: Extract<Settable, { kind: 'memory' }>, value: bigint): void {
  const cpu = machine.turn.cpu
  const view = { machine, cpu, tick: machine.tick, instructions: retired(machine), eventIndex: 0 }
  const registers = guestRegisters(view)
  for (let i = 0; i < bytes; i++) {
    const { host } = pageWalk(view, registers, BigInt.asUintN(64, address + BigInt(i)))
    if (host !== undefined) machine.memory.write8(host, Number(BigInt.asUintN(8, value >> BigInt(8 * i))))
  }
}
