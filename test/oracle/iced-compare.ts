/** Random bytes for both decoders, and when what they say is the same. */

import type { Bits } from './instructions.ts'
import { ICED_EXCEPTIONS } from './iced-exceptions.ts'
import { isInTable, type Reading } from './iced.ts'

/** Where random bytes seldom get: second opcodes with many forms behind them, VEX, groups. */
const OPENINGS: readonly (readonly number[])[] = [
  [0x0f],
  [0xc5],
  [0xc4, 0xe2],
  [0xc4, 0xe3],
  [0xc5, 0xf8],
  [0x0f, 0x00],
  [0x0f, 0x01],
  [0x0f, 0x0d],
  [0x0f, 0x18],
  [0x0f, 0x1e],
  [0x0f, 0x38, 0xf0],
  [0x0f, 0x38, 0xf6],
  [0x0f, 0x38, 0x82],
  [0x0f, 0x70],
  [0x0f, 0x73],
  [0x0f, 0xae],
  [0x0f, 0xba],
  [0x0f, 0xbc],
  [0x0f, 0xc7],
  [0xff],
  [0x63],
  [0x90],
]
const PREFIXES: readonly (readonly number[])[] = [[], [], [], [0x66], [0xf3], [0xf2], [0x66, 0xf3], [0x48], [0x66, 0x48], [0xf0], [0x67], [0x41], [0x2e], [0x64]]

/** xorshift: the same bytes everywhere for the same seed. Half of them are plain, half begin where the table is dense. */
export function* randomBytes(seed: number, count: number): Generator<Uint8Array> {
  let state = (seed * 0x9e37_79b1) >>> 0 || 1
  const next = (): number => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state & 0xff
  }
  for (let index = 0; index < count; index++) {
    const bytes = Uint8Array.from({ length: 16 }, next)
    if ((index & 1) === 1) bytes.set([...PREFIXES[next() % PREFIXES.length]!, ...OPENINGS[next() % OPENINGS.length]!])
    yield bytes
  }
}

/** The names of one meaning. */
const NAMES: Readonly<Record<string, string>> = {
  WAIT: 'FWAIT',
  SAL: 'SHL',
  SYSEXITQ: 'SYSEXIT',
  SYSRETQ: 'SYSRET',
  RETFW: 'RETF',
  RETFD: 'RETF',
  RETFQ: 'RETF',
  IRETW: 'IRET',
  PUSHFW: 'PUSHF',
  POPFW: 'POPF',
  PUSHAW: 'PUSHA',
  POPAW: 'POPA',
}

export const canonical = (mnemonic: string): string => (mnemonic.startsWith('HINT_NOP') ? 'RESERVEDNOP' : (NAMES[mnemonic] ?? mnemonic))

export type Comparison = null | { readonly kind: 'listed'; readonly name: string } | { readonly kind: 'difference'; readonly text: string }

export function compareReadings(bytes: Uint8Array, bits: Bits, ours: Reading, iced: Reading & { readonly code: string }): Comparison {
  const difference = differenceOf(ours, iced)
  if (difference === null) return null
  const listed = ICED_EXCEPTIONS.find(exception => exception.applies({ bytes, bits, ours, iced }))
  return listed === undefined ? { kind: 'difference', text: difference } : { kind: 'listed', name: listed.name }
}

function differenceOf(ours: Reading, iced: Reading & { readonly code: string }): string | null {
  if (!ours.valid && !iced.valid) return null
  if (ours.valid !== iced.valid) return ours.valid ? `only ours: ${ours.mnemonic}` : `only iced: ${iced.mnemonic} ${isInTable(iced.mnemonic) ? 'in the table' : 'not in the table'}`
  if (canonical(ours.mnemonic) !== canonical(iced.mnemonic)) return `mnemonic ${ours.mnemonic} / ${iced.mnemonic}`
  if (ours.length !== iced.length) return `length of ${ours.mnemonic}`
  const same = ours.operands.length === iced.operands.length && ours.operands.every((operand, position) => operand === iced.operands[position])
  return same ? null : `operands of ${ours.mnemonic} ${iced.code}`
}
