/**
 * Bytes to instruction, by the same table as the assembler (Intel SDM, "Instruction Format"; "Opcode Map").
 *
 *     [prefixes] [REX] [0F [38|3A]] opcode [ModRM [SIB] [displacement]] [immediates]
 *     [prefixes] C5 RvvvvLpp | C4 RXBmmmmm WvvvvLpp   opcode ...
 */

import type { Size } from '../base/u64.ts'
import type { Instruction, InstructionRow } from './instruction.ts'
import { type ByteCursor, littleEndian, memoryOperand, signedLittleEndian } from './modrm.ts'
import type { Form, ImmediateToken, OperandSpec, VexNotation } from './notation.ts'
import {
  type AddressSize,
  DS,
  gpr,
  highByte,
  type MemoryOperand,
  NONE,
  type Operand,
  type SegmentIndex,
  type SpecialOperand,
} from './operands.ts'
import { acceptsMemory, acceptsRegister, formsByOpcode, ignoresMod, type OpcodeEntry, VEX_MAP } from './table.ts'

export const MAX_INSTRUCTION_LENGTH = 15

/** 'undefined' raises #UD; 'too-long' (over 15 bytes) raises #GP. */
export type DecodeFailure = 'undefined' | 'too-long'

export interface DecodeMode {
  readonly bits: 16 | 32 | 64
  readonly stackSize: AddressSize
}

/** Everything in front of the opcode. */
interface Prefixes {
  has66: boolean
  has67: boolean
  repeat: 0 | 0xf2 | 0xf3
  lock: boolean
  segment: SegmentIndex | -1
  /** 0 without REX, else 0x40..0x4F; VEX gives its bits the same way. */
  rex: number
  /** VEX.L and VEX.vvvv (as it is meant, not inverted); null without VEX. */
  vex: { readonly long: number; readonly register: number } | null
}

class TooLong {}

class Cursor implements ByteCursor {
  position = 0
  readonly #byteAt: (index: number) => number
  constructor(byteAt: (index: number) => number) {
    this.#byteAt = byteAt
  }
  next(): number {
    if (this.position === MAX_INSTRUCTION_LENGTH) throw new TooLong()
    return this.#byteAt(this.position++)
  }
  peek(): number {
    if (this.position === MAX_INSTRUCTION_LENGTH) throw new TooLong()
    return this.#byteAt(this.position)
  }
}

const SEGMENT_PREFIXES: Readonly<Record<number, SegmentIndex>> = { 38: 0, 46: 1, 54: 2, 62: 3, 100: 4, 101: 5 }

/** Reads the prefixes; returns them with the first byte that is none. A REX counts only directly before the opcode. */
function readPrefixes(cursor: Cursor, bits: 16 | 32 | 64): [Prefixes, number] {
  const prefixes: Prefixes = { has66: false, has67: false, repeat: 0, lock: false, segment: -1, rex: 0, vex: null }
  for (;;) {
    const byte = cursor.next()
    const segment = SEGMENT_PREFIXES[byte]
    if (byte === 0x66) prefixes.has66 = true
    else if (byte === 0x67) prefixes.has67 = true
    else if (byte === 0xf0) prefixes.lock = true
    else if (byte === 0xf2 || byte === 0xf3) prefixes.repeat = byte
    else if (segment !== undefined) {
      if (bits !== 64 || segment >= 4) prefixes.segment = segment // ES, CS, SS, DS overrides do nothing in 64-bit mode
    } else if (bits === 64 && (byte & 0xf0) === 0x40) {
      prefixes.rex = byte
      continue
    } else return [prefixes, byte]
    prefixes.rex = 0
  }
}

function readOpcode(cursor: Cursor, first: number): [map: number, opcode: number] {
  if (first !== 0x0f) return [0, first]
  const second = cursor.next()
  if (second === 0x38) return [2, cursor.next()]
  if (second === 0x3a) return [3, cursor.next()]
  return [1, second]
}

/** A map that does not exist has no forms. */
const NO_MAP = -1

function readVexOpcode(cursor: Cursor, first: number, prefixes: Prefixes, bits: 16 | 32 | 64): [map: number, opcode: number] {
  const map = readVex(cursor, first, prefixes, bits)
  return map === undefined ? [NO_MAP, 0] : [VEX_MAP + map, cursor.next()]
}

/** C4 and C5 are LES and LDS outside 64-bit mode unless what follows would be a register form, which those do not have. */
const isVex = (cursor: Cursor, first: number, bits: 16 | 32 | 64): boolean =>
  (first === 0xc4 || first === 0xc5) && (bits === 64 || cursor.peek() >= 0xc0)

/** Takes over what VEX says; undefined for prefixes that it excludes and for opcode maps that do not exist. */
function readVex(cursor: Cursor, first: number, prefixes: Prefixes, bits: 16 | 32 | 64): 1 | 2 | 3 | undefined {
  if (prefixes.has66 || prefixes.repeat !== 0 || prefixes.lock || prefixes.rex !== 0) return undefined
  const second = cursor.next()
  const map = first === 0xc5 ? 1 : second & 0x1f
  const last = first === 0xc5 ? second & 0x7f : cursor.next()
  const extensions = first === 0xc5 ? (~second >> 5) & 4 : (~second >> 5) & 7
  prefixes.rex = bits === 64 ? 0x40 | ((last >> 4) & 8) | extensions : 0x40
  prefixes.vex = { long: (last >> 2) & 1, register: (~last >> 3) & (bits === 64 ? 15 : 7) }
  prefixes.has66 = (last & 3) === 1
  prefixes.repeat = (last & 3) === 2 ? 0xf3 : (last & 3) === 3 ? 0xf2 : 0
  return map === 1 || map === 2 || map === 3 ? map : undefined
}

/** Operand size in bits that the prefixes give this form. */
function operandSizeOf(form: Form, prefixes: Prefixes, bits: 16 | 32 | 64): 16 | 32 | 64 {
  if (form.only32or64) return bits === 64 && (prefixes.rex & 8) !== 0 ? 64 : 32
  const toggled = prefixes.has66 && form.mandatory !== 0x66
  if (bits !== 64) return toggled ? (bits === 16 ? 32 : 16) : bits
  if (form.force64 || (prefixes.rex & 8) !== 0) return 64
  if (toggled) return 16
  return form.default64 ? 64 : 32
}

const addressSizeOf = (prefixes: Prefixes, bits: 16 | 32 | 64): AddressSize => (prefixes.has67 ? (bits === 32 ? 16 : 32) : bits)

/** VEX.L, and VEX.W, which counts as 0 outside 64-bit mode. */
const vexFits = ({ long, wide }: VexNotation, prefixes: Prefixes, bits: 16 | 32 | 64): boolean =>
  prefixes.vex?.long === long && (typeof wide === 'string' || bits !== 64 || wide === ((prefixes.rex >> 3) & 1))

/** How well a form fits these bytes: negative when it does not; the highest wins. */
function fitness(form: Form, prefixes: Prefixes, bits: 16 | 32 | 64, modrm: number): number {
  if (bits === 64 ? form.not64 : form.only64) return -1
  // With REX.B the opcode 90 is XCHG of R8, and neither NOP nor PAUSE.
  if (form.opcode === 0x90 && form.map === 0 && !form.plusRegister && (prefixes.rex & 1) !== 0) return -1
  if (form.wide && (prefixes.rex & 8) === 0) return -1
  let points = form.wide ? 2 : 0
  if (form.vex !== null && !vexFits(form.vex, prefixes, bits)) return -1
  if (form.addressSize !== null && form.addressSize !== addressSizeOf(prefixes, bits)) return -1
  if (form.mandatory === 'NP') {
    if (prefixes.has66 || prefixes.repeat !== 0) return -1
  } else if (form.mandatory === 'NFx') {
    if (prefixes.repeat !== 0) return -1
  } else if (form.mandatory !== null) {
    const present = form.mandatory === 0x66 ? prefixes.has66 && prefixes.repeat === 0 : prefixes.repeat === form.mandatory
    if (!present) return -1
    points += 4
  }
  if (form.modrm !== null) {
    const isRegister = modrm >= 0xc0 || ignoresMod(form)
    if (form.modrm.kind === 'byte') {
      if (modrm !== form.modrm.byte) return -1
      points += 8
    } else if (form.modrm.kind === 'digit' && ((modrm >> 3) & 7) !== form.modrm.digit) return -1
    else if (isRegister ? !acceptsRegister(form) : !acceptsMemory(form)) return -1
  }
  if (form.operandSize !== null) {
    const size = operandSizeOf(form, prefixes, bits)
    if (size === form.operandSize) points += 2
    else if (size !== 64 || form.operandSize !== 32) return -1
  }
  if (!form.plusRegister && (prefixes.rex & 1) === 0) points += 1
  return points
}

function selectForm(entries: readonly OpcodeEntry[], prefixes: Prefixes, bits: 16 | 32 | 64, modrm: number): OpcodeEntry | undefined {
  let best: OpcodeEntry | undefined
  let most = -1
  for (const entry of entries) {
    const points = fitness(entry.form, prefixes, bits, modrm)
    if (points > most) {
      best = entry
      most = points
    }
  }
  return best
}

interface Context {
  readonly cursor: Cursor
  readonly prefixes: Prefixes
  readonly bits: 16 | 32 | 64
  readonly addressSize: AddressSize
  readonly operandSize: 16 | 32 | 64
  readonly opcode: number
  readonly modrm: number
}

const concreteSize = (spec: OperandSpec, { operandSize, bits }: Context): Size | 80 | 128 | 256 | 0 =>
  spec.size === 'operand' ? operandSize : spec.size === 'native' ? (bits === 64 ? 64 : 32) : spec.size

function register(size: Size, index: number, rex: number): Operand {
  return size === 8 && rex === 0 && index >= 4 && index < 8 ? highByte(index - 4) : gpr(size, index)
}

function immediateBytes(token: ImmediateToken, { operandSize, addressSize }: Context): 1 | 2 | 4 | 8 {
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
    case 'oa':
      return (addressSize / 8) as 2 | 4 | 8
    case 'iv':
      return (operandSize / 8) as 2 | 4 | 8
    default:
      return operandSize === 16 ? 2 : 4 // iz, cz, ap
  }
}

function immediateOperand(spec: OperandSpec, token: ImmediateToken, context: Context, wrapTo: Size): Operand {
  const { cursor, addressSize, prefixes, operandSize } = context
  const bytes = immediateBytes(token, context)
  if (spec.kind === 'relative') return { kind: 'relative', size: operandSize, value: signedLittleEndian(cursor, bytes) }
  if (spec.kind === 'far') {
    const offset = littleEndian(cursor, bytes)
    return { kind: 'far', size: operandSize, selector: Number(littleEndian(cursor, 2)), offset }
  }
  if (spec.kind === 'moffs') {
    const segment = prefixes.segment === -1 ? DS : prefixes.segment
    const size = concreteSize(spec, context) as MemoryOperand['size']
    const displacement = littleEndian(cursor, bytes)
    return { kind: 'memory', size, segment, addressSize, base: -1, index: -1, scale: 1, displacement, displacementBytes: bytes }
  }
  const value = spec.signed ? signedLittleEndian(cursor, bytes) : littleEndian(cursor, bytes)
  return { kind: 'immediate', size: wrapTo, value: wrap(wrapTo, value) }
}

function wrap(size: Size, value: bigint): bigint {
  return size === 64
    ? BigInt.asUintN(64, value)
    : size === 32
      ? BigInt.asUintN(32, value)
      : size === 16
        ? BigInt.asUintN(16, value)
        : BigInt.asUintN(8, value)
}

function modrmOperand(spec: OperandSpec, context: Context): Operand | undefined {
  const { modrm, prefixes } = context
  const size = concreteSize(spec, context)
  const reg = ((modrm >> 3) & 7) + ((prefixes.rex & 4) !== 0 ? 8 : 0)
  const baseExtension = (prefixes.rex & 1) !== 0 ? 8 : 0
  if (spec.place === 'opcode') return register(size as Size, (context.opcode & 7) + baseExtension, prefixes.rex)
  if (spec.place === 'reg') {
    if (spec.kind === 'register') return register(size as Size, reg, prefixes.rex)
    if (spec.kind === 'segment') return (reg & 7) < 6 ? { kind: 'segment', size: 16, index: reg & 7 } : undefined
    const kind = spec.kind as SpecialOperand['kind']
    return { kind, size: size as SpecialOperand['size'], index: reg }
  }
  if (spec.place === 'vvvv') {
    const index = prefixes.vex!.register
    return spec.kind === 'register' ? register(size as Size, index, prefixes.rex) : { kind: 'xmm', size: 128, index }
  }
  if (modrm < 0xc0) {
    const indexExtension = (prefixes.rex & 2) !== 0 ? 8 : 0
    const { addressSize, bits } = context
    return memoryOperand(context.cursor, modrm, size, { addressSize, bits, segment: prefixes.segment, indexExtension, baseExtension })
  }
  const index = (modrm & 7) + baseExtension
  if (spec.kind === 'xmm' || spec.kind === 'xmm-or-memory') return { kind: 'xmm', size: 128, index }
  if (spec.kind === 'ymm' || spec.kind === 'ymm-or-memory') return { kind: 'ymm', size: 256, index }
  return register(size as Size, index, prefixes.rex)
}

function fixedOperand(spec: OperandSpec, context: Context): Operand {
  const size = concreteSize(spec, context)
  if (spec.kind === 'fixed-register') return gpr(size as Size, spec.fixed)
  if (spec.kind === 'fixed-segment') return { kind: 'segment', size: 16, index: spec.fixed }
  return { kind: 'immediate', size: 8, value: BigInt(spec.fixed) }
}

const SIZED: ReadonlySet<string> = new Set(['register', 'memory', 'register-or-memory', 'moffs', 'fixed-register'])

/** The size an instruction works at: that of its first operand where the table numbers it, else the operand size. */
function workingSize(form: Form, context: Context): Size {
  const first = form.operands[0]
  if (first === undefined || !SIZED.has(first.kind)) return context.operandSize
  const size = concreteSize(first, context)
  return size === 8 || size === 16 || size === 32 || size === 64 ? size : context.operandSize
}

function readOperands(form: Form, context: Context, size: Size): Operand[] | undefined {
  const operands: Operand[] = []
  // ModRM's displacement stands before the immediates whatever the order of the operands.
  for (const spec of form.operands) {
    const operand = spec.place === 'fixed' ? fixedOperand(spec, context) : spec.place === 'immediate' ? NONE : modrmOperand(spec, context)
    if (operand === undefined) return undefined
    operands.push(operand)
  }
  let token = 0
  for (const [position, spec] of form.operands.entries()) {
    if (spec.place !== 'immediate') continue
    const wrapTo = spec.signed ? (spec.size === 16 && form.immediates[token] === 'iw' ? 16 : size) : (spec.size as Size)
    operands[position] = immediateOperand(spec, form.immediates[token++]!, context, wrapTo)
  }
  if (form.operands.length === 0 && form.modrm?.kind === 'digit' && context.modrm < 0xc0) modrmOperand(MEMORY_ONLY, context)
  return operands
}

const MEMORY_ONLY: OperandSpec = { text: 'mem', kind: 'memory', size: 0, place: 'rm', fixed: 0, signed: false }

const lockAllowed = (row: InstructionRow, destination: Operand | undefined): boolean =>
  row.prefixes.includes('lock') && destination?.kind === 'memory'

/** Decodes one instruction from `byteAt(0)` on. `byteAt` is asked for no byte beyond the instruction and may throw. */
export function decode(byteAt: (index: number) => number, mode: DecodeMode): Instruction | DecodeFailure {
  try {
    return decodeFrom(new Cursor(byteAt), mode)
  } catch (thrown) {
    if (thrown instanceof TooLong) return 'too-long'
    throw thrown
  }
}

function decodeFrom(cursor: Cursor, { bits, stackSize }: DecodeMode): Instruction | DecodeFailure {
  const [prefixes, first] = readPrefixes(cursor, bits)
  const [map, opcode] = isVex(cursor, first, bits) ? readVexOpcode(cursor, first, prefixes, bits) : readOpcode(cursor, first)
  const entries = formsByOpcode[map]?.[opcode] ?? []
  if (entries.length === 0) return 'undefined'
  const needsModrm = entries.some(entry => entry.form.modrm !== null)
  const modrm = needsModrm ? cursor.next() : 0
  const entry = selectForm(entries, prefixes, bits, modrm)
  if (entry === undefined) return 'undefined'
  const { row, form } = entry
  // VEX.vvvv must be 1111, which means register 0 here, where the form does not use it.
  const usesRegister = form.vex === null || form.operands.some(operand => operand.place === 'vvvv')
  if (!usesRegister && prefixes.vex!.register !== 0) return 'undefined'
  const addressSize = addressSizeOf(prefixes, bits)
  const operandSize = operandSizeOf(form, prefixes, bits)
  const context: Context = { cursor, prefixes, bits, addressSize, operandSize, opcode, modrm: ignoresMod(form) ? modrm | 0xc0 : modrm }
  const size = workingSize(form, context)
  const operands = readOperands(form, context, size)
  if (operands === undefined || (prefixes.lock && !lockAllowed(row, operands[0]))) return 'undefined'
  return {
    row,
    form,
    length: cursor.position,
    size,
    addressSize,
    stackSize,
    bits,
    dst: operands[0] ?? NONE,
    src: operands[1] ?? NONE,
    third: operands[2] ?? NONE,
    repeat: prefixes.repeat,
    lock: prefixes.lock,
    segment: prefixes.segment,
  }
}
