/**
 * A value that a person puts into the machine at a position. In a trace it is an `input` of the device `set` whose bytes are the
 * words, as `rax=0x5` or `[0x9000]:1=0x7f`; so a run with an edit replays like any other.
 */

import type { Location } from '../query/location.ts'
import { formatLocation, parseLocation, parseNumberText } from '../query/location.ts'

export const EDIT_DEVICE = 'set'

/** rip and rflags of the system registers: others change the mode, which takes more than one value. */
export type Settable =
  | Extract<Location, { kind: 'register' | 'memory' | 'msr' }>
  | { readonly kind: 'system'; readonly name: 'rip' | 'rflags' }

const isSettable = (location: Location): location is Settable =>
  location.kind === 'register' ||
  location.kind === 'memory' ||
  location.kind === 'msr' ||
  (location.kind === 'system' && (location.name === 'rip' || location.name === 'rflags'))

export interface Edit {
  readonly location: Settable
  readonly value: bigint
}

export interface EditProblem {
  readonly problem: string
  readonly help: string
}

export const EDIT_FORMS = 'rax=5, al=0x7f, msr:0x6e0=0 or [label+8]:4=0x1234'

const NO_NAMES: ReadonlyMap<string, bigint> = new Map()

/** `LOCATION=VALUE`; `names` are the program's labels. */
export function parseEdit(text: string, names: ReadonlyMap<string, bigint> = NO_NAMES): Edit | EditProblem {
  const at = text.lastIndexOf('=')
  const value = parseNumberText(text.slice(at + 1).trim())
  if (at < 0 || value === undefined) return { problem: `\`${text}\` gives no number`, help: `write ${EDIT_FORMS}` }
  const location = parseLocation(text.slice(0, at), names)
  if ('problem' in location) return location
  if (!isSettable(location))
    return { problem: `\`${text}\` is nothing that can be set`, help: `registers, MSRs and memory can: ${EDIT_FORMS}` }
  if (location.kind === 'memory' && location.bytes > 8)
    return { problem: `\`${text}\` sets more than 8 bytes`, help: 'set them in several edits' }
  const bits = bitsOf(location)
  if (value >= 1n << BigInt(bits)) return { problem: `\`${text}\`: the value has more than ${bits} bits`, help: 'give a smaller one' }
  return { location, value }
}

const hex = (value: bigint): string => `0x${value.toString(16)}`

function bitsOf(location: Settable): number {
  if (location.kind === 'register') return location.size
  return location.kind === 'memory' ? location.bytes * 8 : 64
}

/** The words that a trace keeps: without labels. */
export const editText = ({ location, value }: Edit): string => `${formatLocation(location)}=${hex(value)}`
