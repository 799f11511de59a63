/**
 * Instruction to bytes, by the same table as the decoder. All forms that take the operands are tried and the shortest
 * encoding wins, which is NASM's choice; among equals a sign-extended byte, then the order of the table.
 *
 *     [lock rep] [segment] [66] [67] [mandatory] [REX] [0F [38|3A]] opcode [ModRM [SIB] [displacement]] [immediates]
 *     [segment] [67] VEX opcode [ModRM [SIB] [displacement]] [immediates]
 */

import { assert } from '../base/assert.ts'
import { high32, low32 } from '../base/u64.ts'
import { type EncodedAddress, type EncodeMemory, encodeAddress } from './encode-address.ts'
import { candidateForms } from './encode-candidates.ts'
import { explainFailure } from './encode-failure.ts'
import { type Match, matchForm, memoryAmong } from './encode-match.ts'
import { fitsDisplacement, fitsImmediate } from './encode-range.ts'
import type { InstructionRow } from './instruction.ts'
import type { Form, ImmediateToken, VexNotation } from './notation.ts'
import type { SegmentIndex } from './operands.ts'

export type { EncodeMemory } from './encode-address.ts'

export interface EncodeRegister {
  readonly kind: 'register' | 'segment' | 'control' | 'debug' | 'xmm' | 'ymm'
  /** 0 for control and debug registers, which are as wide as the mode says. */
  readonly size: 0 | 8 | 16 | 32 | 64 | 128 | 256
  readonly index: number
  readonly high: boolean
}

export interface EncodeImmediate {
  readonly kind: 'immediate'
  /** Two's complement in 64 bits. */
  readonly value: bigint
  /** The size the source writes in front; 0 for none. */
  readonly size: 0 | 8 | 16 | 32 | 64
  readonly strict: boolean
  /** The value is an address, or not known yet: encoded at full size. */
  readonly symbolic: boolean
  readonly distance: 'short' | 'near' | 'far' | null
  /** As a branch target: whether its distance may choose the size of the branch. 'unknown' is hoped to be near. */
  readonly reach: 'measured' | 'elsewhere' | 'unknown'
  /** Of an address: what it counts from, handed on to the fixup. */
  readonly section?: number
}

export interface EncodeFar {
  readonly kind: 'far'
  readonly size: 0 | 16 | 32
  readonly selector: bigint
  readonly offset: bigint
  readonly symbolic: boolean
  readonly section?: number
}

export type EncodeOperand = EncodeRegister | EncodeMemory | EncodeImmediate | EncodeFar

export interface EncodePrefixes {
  readonly lock: boolean
  readonly repeat: 0 | 0xf2 | 0xf3
  readonly segment: SegmentIndex | -1
  /** o16, o32, o64 and a16, a32, a64; 0 where the source leaves it. */
  readonly operandSize: 0 | 16 | 32 | 64
  readonly addressSize: 0 | 16 | 32 | 64
}

export const NO_PREFIXES: EncodePrefixes = { lock: false, repeat: 0, segment: -1, operandSize: 0, addressSize: 0 }

export interface EncodeContext {
  readonly bits: 16 | 32 | 64
  /** Where the instruction will stand, in the coordinates of branch targets and RIP-relative addresses. */
  readonly address: bigint
  readonly prefixes: EncodePrefixes
}

/** A stretch of the bytes that holds an address: what a relocation would patch. */
export interface Fixup {
  readonly at: number
  readonly bytes: number
  readonly operand: number
  readonly relative: boolean
  /** The section that the address counts from, and its distance from there. */
  readonly section: number
  readonly value: bigint
  /** The processor extends its sign. */
  readonly signed: boolean
}

/** A value that was cut to the bytes it got. */
export interface Overflow {
  readonly operand: number
  readonly value: bigint
  readonly bytes: number
  /** What the instruction does with the bytes: takes them as they are, or extends their sign. */
  readonly signed: boolean
}

export interface Encoded {
  readonly kind: 'encoded'
  readonly bytes: readonly number[]
  readonly form: Form
  readonly fixups: readonly Fixup[]
  readonly overflows: readonly Overflow[]
}

export type EncodeFailure =
  | { readonly kind: 'operand-count'; readonly takes: readonly number[] }
  | { readonly kind: 'combination'; readonly operand: number }
  | { readonly kind: 'size-mismatch'; readonly operands: readonly [number, number]; readonly sizes: readonly [number, number] }
  | { readonly kind: 'size-wrong'; readonly operand: number; readonly size: number; readonly allowed: readonly number[] }
  | { readonly kind: 'size-missing'; readonly operand: number; readonly sizes: readonly number[] }
  | { readonly kind: 'mode'; readonly needs64: boolean; readonly operand: number }
  | { readonly kind: 'range'; readonly operand: number; readonly distance: bigint }
  | { readonly kind: 'high-byte'; readonly operand: number }
  | { readonly kind: 'address'; readonly operand: number }

/** The bytes of `row` with these operands, or why there are none. */
export function encode(row: InstructionRow, operands: readonly EncodeOperand[], context: EncodeContext): Encoded | EncodeFailure {
  return encodeOperands(row, context.bits === 64 ? narrowMove(row, operands) : operands, context)
}

/** MOV of a small unsigned value into a 64-bit register is the move into its lower half, which clears the upper one. */
function narrowMove(row: InstructionRow, operands: readonly EncodeOperand[]): readonly EncodeOperand[] {
  const [register, value] = operands
  if (row.mnemonic !== 'MOV' || register?.kind !== 'register' || register.size !== 64 || value?.kind !== 'immediate') return operands
  const fits = !value.strict && !value.symbolic && value.size !== 32 && value.value >= 0n && value.value < 1n << 32n
  return fits
    ? [
        { ...register, size: 32 },
        { ...value, size: 0 },
      ]
    : operands
}

function encodeOperands(row: InstructionRow, operands: readonly EncodeOperand[], context: EncodeContext): Encoded | EncodeFailure {
  let best: Encoded | undefined
  let failure: EncodeFailure | undefined
  let preference = -1
  // Sizes that forms gave to memory without one, as bits of a number.
  let openSizes = 0
  for (const form of candidateForms(row, operands, context.bits)) {
    for (const match of matchForm(form, operands, context)) {
      const answer = emit(match, operands, context)
      if (answer.kind !== 'encoded') {
        failure ??= answer
        continue
      }
      openSizes |= match.openSize
      const points = preferenceOf(match, row)
      if (
        best === undefined ||
        answer.bytes.length < best.bytes.length ||
        (answer.bytes.length === best.bytes.length && points > preference)
      ) {
        best = answer
        preference = points
      }
    }
  }
  // More than one bit: more than one size.
  if (best !== undefined && (openSizes & (openSizes - 1)) !== 0) {
    const sizes = MEMORY_SIZES.filter(size => (openSizes & size) !== 0)
    return { kind: 'size-missing', operand: operands.findIndex(operand => operand.kind === 'memory'), sizes }
  }
  return best ?? failure ?? explainFailure(row, operands, context)
}

/** Every size but 80, which no instruction leaves open, is a bit of its own. */
const MEMORY_SIZES = [8, 16, 32, 64, 128, 256] as const

/** Between encodings of one length: NASM prefers the sign-extended byte, and XCHG with its first operand in ModRM.reg. */
function preferenceOf({ form, signedByte }: Match, row: InstructionRow): number {
  if (signedByte) return 2
  return row.mnemonic === 'XCHG' && form.operands[0]?.place === 'reg' && form.operands[1]?.kind === 'register-or-memory' ? 1 : 0
}

const SEGMENT_BYTES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65] as const
const ESCAPES: readonly (readonly number[])[] = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]]

interface Parts {
  rex: number
  /** Something that only a REX prefix can name, or that one forbids. */
  needsRex: boolean
  highByteOperand: number
  /** VEX.vvvv. */
  vector: number
  opcode: number
  modrm: number
  address: EncodedAddress | null
  memory: EncodeMemory | null
  memoryOperand: number
}

/** Puts registers and memory where the form holds them. */
function place(match: Match, operands: readonly EncodeOperand[], { bits, prefixes }: EncodeContext): Parts | EncodeFailure {
  const { form } = match
  const parts: Parts = {
    rex: match.wide || form.vex?.wide === 1 || (form.vex === null && prefixes.operandSize === 64) ? 8 : 0,
    needsRex: false,
    highByteOperand: -1,
    vector: 0,
    opcode: form.opcode,
    modrm: form.modrm?.kind === 'byte' ? form.modrm.byte : form.modrm?.kind === 'digit' ? 0xc0 | (form.modrm.digit << 3) : 0xc0,
    address: null,
    memory: null,
    memoryOperand: -1,
  }
  for (let position = 0; position < operands.length; position++) {
    const spec = form.operands[position]!
    const operand = operands[position]!
    if (operand.kind === 'immediate' || operand.kind === 'far' || spec.place === 'fixed' || spec.place === 'immediate') continue
    if (operand.kind === 'memory') {
      const address = operand.displacementBytes === 8 ? undefined : encodeAddress(operand, bits)
      if (address === undefined) return { kind: 'address', operand: position }
      parts.address = address
      parts.memory = operand
      parts.memoryOperand = position
      parts.rex |= (address.rexX << 1) | address.rexB
      continue
    }
    placeRegister(parts, spec.place, operand, form.sameRegister)
    if (operand.high) parts.highByteOperand = position
  }
  if (parts.rex !== 0) parts.needsRex = true
  if (parts.needsRex && parts.highByteOperand !== -1) return { kind: 'high-byte', operand: parts.highByteOperand }
  return parts
}

function placeRegister(parts: Parts, where: 'reg' | 'rm' | 'vvvv' | 'opcode', operand: EncodeRegister, both: boolean): void {
  const number = operand.high ? operand.index + 4 : operand.index
  if (operand.kind === 'register' && operand.size === 8 && !operand.high && operand.index >= 4) parts.needsRex = true
  const extension = number >= 8 ? 1 : 0
  if (where === 'vvvv') parts.vector = number
  if (where === 'opcode') {
    parts.opcode |= number & 7
    parts.rex |= extension
  }
  if (where === 'reg' || both) {
    parts.modrm |= (number & 7) << 3
    parts.rex |= extension << 2
  }
  if (where === 'rm' || both) {
    parts.modrm |= number & 7
    parts.rex |= extension
  }
}

/** To NASM, WAIT comes before what stands with it, prefixes too: `rep fwait` is 9B F3, and its REP that of the next instruction. */
const WAIT = 0x9b

function emit(match: Match, operands: readonly EncodeOperand[], context: EncodeContext): Encoded | EncodeFailure {
  const { form } = match
  const parts = place(match, operands, context)
  if ('kind' in parts) return parts
  const bytes = prefixBytes(match, operands, context)
  if (form.map === 0 && form.opcode === WAIT) return { kind: 'encoded', bytes: [WAIT, ...bytes], form, fixups: [], overflows: [] }
  if (form.vex !== null) bytes.push(...vexBytes(form, form.vex, parts))
  else {
    if (parts.needsRex) {
      if (context.bits !== 64) return { kind: 'mode', needs64: true, operand: -1 }
      bytes.push(0x40 | parts.rex)
    }
    for (const byte of ESCAPES[form.map]!) bytes.push(byte)
  }
  bytes.push(parts.opcode)
  const fixups: Fixup[] = []
  const overflows: Overflow[] = []
  const { address, memory, memoryOperand } = parts
  if (address !== null) {
    bytes.push((parts.modrm & 0x38) | (address.mod << 6) | address.rm)
    if (address.sib !== -1) bytes.push(address.sib)
  } else if (form.modrm !== null) bytes.push(parts.modrm)
  const displacementAt = bytes.length
  for (let count = address?.displacementBytes ?? 0; count > 0; count--) bytes.push(0)
  const failure = immediates(match, operands, context, bytes, fixups, overflows)
  if (failure) return failure
  if (address !== null && memory !== null && address.displacementBytes > 0) {
    const relative = memory.base === 'rip'
    const value = relative ? memory.displacement - context.address - BigInt(bytes.length) : memory.displacement
    const count = address.displacementBytes
    put(bytes, displacementAt, count, value)
    const signed = memory.addressSize > count * 8
    if (memory.symbolic)
      fixups.push(fixup(memory, memory.displacement, { at: displacementAt, bytes: count, operand: memoryOperand, relative, signed }))
    else if (!fitsDisplacement(value, count, memory.addressSize))
      overflows.push({ operand: memoryOperand, value, bytes: count, signed: true })
  }
  return { kind: 'encoded', bytes, form, fixups, overflows }
}

function prefixBytes(match: Match, operands: readonly EncodeOperand[], { bits, prefixes }: EncodeContext): number[] {
  const bytes: number[] = []
  const memory = memoryAmong(operands)
  if (prefixes.repeat !== 0) bytes.push(prefixes.repeat)
  if (prefixes.lock) bytes.push(0xf0)
  const segment = prefixes.segment !== -1 ? prefixes.segment : (memory?.segment ?? -1)
  if (segment !== -1) bytes.push(SEGMENT_BYTES[segment])
  if (match.toggleSize || toggles(prefixes.operandSize, bits)) bytes.push(0x66)
  const addressSize = memory?.addressSize ?? match.form.addressSize ?? prefixes.addressSize
  if (addressSize !== 0 && addressSize !== bits) bytes.push(0x67)
  if (typeof match.form.mandatory === 'number' && match.form.vex === null) bytes.push(match.form.mandatory)
  return bytes
}

/** VEX, in two bytes where they can say it: the register extensions and vvvv are inverted. */
function vexBytes(form: Form, vex: VexNotation, { rex, vector }: Parts): number[] {
  const prefix = form.mandatory === 0x66 ? 1 : form.mandatory === 0xf3 ? 2 : form.mandatory === 0xf2 ? 3 : 0
  const last = ((~vector & 15) << 3) | (vex.long << 2) | prefix
  if (form.map === 1 && (rex & 0b1011) === 0) return [0xc5, ((rex & 4) === 0 ? 0x80 : 0) | last]
  return [0xc4, ((~rex & 7) << 5) | form.map, ((rex & 8) << 4) | last]
}

/** Whether an explicit operand size differs from the mode's own. */
const toggles = (size: number, bits: number): boolean => (bits === 16 ? size === 32 : size === 16)

function put(bytes: number[], at: number, count: number, value: bigint): void {
  // Halves, because a bigint shift for each byte is slow.
  const low = low32(value)
  const high = count > 4 ? high32(value) : 0
  for (let position = 0; position < count; position++) bytes[at + position] = ((position < 4 ? low : high) >>> (8 * (position & 3))) & 0xff
}

function tokenBytes(token: ImmediateToken, match: Match): number {
  switch (token) {
    case 'ib':
    case 'cb':
      return 1
    case 'iw':
      return 2
    case 'id':
      return 4
    case 'iq':
      return 8
    case 'iv':
      return match.operandSize / 8
    case 'oa':
      return match.addressSize / 8
    default:
      return match.operandSize === 16 ? 2 : 4 // iz, cz, ap
  }
}

const fixup = ({ section = -1 }: { readonly section?: number }, value: bigint, place: Omit<Fixup, 'section' | 'value'>): Fixup => ({
  ...place,
  section,
  value,
})

/** Appends the immediates of the form in order; the failure of a branch that does not reach. */
function immediates(
  match: Match,
  operands: readonly EncodeOperand[],
  context: EncodeContext,
  bytes: number[],
  fixups: Fixup[],
  overflows: Overflow[],
): EncodeFailure | undefined {
  const { form } = match
  let next = 0
  for (let position = 0; position < operands.length; position++) {
    const spec = form.operands[position]!
    if (spec.place !== 'immediate') continue
    const operand = operands[position]!
    const count = tokenBytes(form.immediates[next++]!, match)
    const at = bytes.length
    if (operand.kind === 'far') {
      put(bytes, at, count, operand.offset)
      put(bytes, at + count, 2, operand.selector)
      if (operand.symbolic)
        fixups.push(fixup(operand, operand.offset, { at, bytes: count, operand: position, relative: false, signed: false }))
      continue
    }
    assert(operand.kind === 'immediate' || operand.kind === 'memory', 'an immediate place holds a value')
    const value = operand.kind === 'memory' ? operand.displacement : operand.value
    if (spec.kind === 'relative') {
      const distance = value - context.address - BigInt(at + count)
      if (count === 1 && (distance < -128n || distance > 127n) && operand.kind === 'immediate' && operand.reach !== 'unknown')
        return { kind: 'range', operand: position, distance }
      put(bytes, at, count, distance)
      if (operand.symbolic) fixups.push(fixup(operand, value, { at, bytes: count, operand: position, relative: true, signed: true }))
      continue
    }
    put(bytes, at, count, value)
    const signed = spec.kind === 'immediate' && spec.signed && count * 8 < match.immediateSize
    if (operand.symbolic) fixups.push(fixup(operand, value, { at, bytes: count, operand: position, relative: false, signed }))
    else {
      if (!fitsImmediate(value, count, signed, match.immediateSize)) overflows.push({ operand: position, value, bytes: count, signed })
    }
  }
  return undefined
}
