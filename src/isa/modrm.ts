/**
 * ModRM, SIB and displacement (Intel SDM, "Instruction Format"; "16-Bit Addressing Forms", "32-Bit Addressing Forms").
 *
 *     7 6 | 5 4 3 | 2 1 0        7 6   | 5 4 3 | 2 1 0
 *     mod |  reg  |  rm          scale | index | base
 */

import { type AddressSize, DS, type MemoryOperand, RBP, RBX, RDI, RSI, RSP, type SegmentIndex, SS } from './operands.ts'

/** Reads bytes one after another; the caller's source may fault. */
export interface ByteCursor {
  next(): number
}

export interface AddressContext {
  readonly addressSize: AddressSize
  readonly bits: 16 | 32 | 64
  readonly segment: SegmentIndex | -1
  /** REX.X and REX.B as 0 or 8. */
  readonly indexExtension: number
  readonly baseExtension: number
}

/** An unsigned little-endian value of `bytes` bytes. */
export function littleEndian(cursor: ByteCursor, bytes: number): bigint {
  let value = 0n
  for (let position = 0; position < bytes; position++) value |= BigInt(cursor.next()) << BigInt(8 * position)
  return value
}

export function signedLittleEndian(cursor: ByteCursor, bytes: 1 | 2 | 4 | 8): bigint {
  const value = littleEndian(cursor, bytes)
  return bytes === 1
    ? BigInt.asIntN(8, value)
    : bytes === 2
      ? BigInt.asIntN(16, value)
      : bytes === 4
        ? BigInt.asIntN(32, value)
        : BigInt.asIntN(64, value)
}

/** Base, index and displacement bytes without a segment yet. */
type Shape = Pick<MemoryOperand, 'base' | 'index' | 'scale' | 'displacement' | 'displacementBytes'>

const PAIRS_16: readonly (readonly [base: number, index: number])[] = [
  [RBX, RSI],
  [RBX, RDI],
  [RBP, RSI],
  [RBP, RDI],
  [RSI, -1],
  [RDI, -1],
  [RBP, -1],
  [RBX, -1],
]

function shape16(cursor: ByteCursor, mod: number, rm: number): Shape {
  if (mod === 0 && rm === 6) return { base: -1, index: -1, scale: 1, displacement: signedLittleEndian(cursor, 2), displacementBytes: 2 }
  const [base, index] = PAIRS_16[rm]!
  const bytes = mod === 0 ? 0 : mod === 1 ? 1 : 2
  return { base, index, scale: 1, displacement: bytes === 0 ? 0n : signedLittleEndian(cursor, bytes), displacementBytes: bytes }
}

function shape32(cursor: ByteCursor, mod: number, rm: number, context: AddressContext): Shape {
  let base: number | 'rip' = rm + context.baseExtension
  let index = -1
  let scale: 1 | 2 | 4 | 8 = 1
  let bytes: 0 | 1 | 4 = mod === 0 ? 0 : mod === 1 ? 1 : 4
  if (rm === 4) {
    const sib = cursor.next()
    scale = (1 << (sib >> 6)) as 1 | 2 | 4 | 8
    index = ((sib >> 3) & 7) + context.indexExtension
    if (index === RSP) index = -1
    base = (sib & 7) + context.baseExtension
    if ((sib & 7) === RBP && mod === 0) {
      base = -1
      bytes = 4
    }
  } else if (rm === 5 && mod === 0) {
    base = context.bits === 64 ? 'rip' : -1
    bytes = 4
  }
  return { base, index, scale, displacement: bytes === 0 ? 0n : signedLittleEndian(cursor, bytes), displacementBytes: bytes }
}

/** Stack-pointer and frame-pointer bases use SS unless overridden. */
const defaultSegment = (base: number | 'rip'): SegmentIndex => (base === RSP || base === RBP ? SS : DS)

/** The memory operand of a ModRM byte whose mod is not 3. */
export function memoryOperand(cursor: ByteCursor, modrm: number, size: MemoryOperand['size'], context: AddressContext): MemoryOperand {
  const mod = modrm >> 6
  const rm = modrm & 7
  const shape = context.addressSize === 16 ? shape16(cursor, mod, rm) : shape32(cursor, mod, rm, context)
  const segment = context.segment === -1 ? defaultSegment(shape.base) : context.segment
  return { kind: 'memory', size, segment, addressSize: context.addressSize, ...shape }
}
