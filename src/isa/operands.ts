/** What a decoded operand is. Plain rows, made once by the decoder and kept with the decoded instruction. */

import type { Size } from '../base/u64.ts'

/** ES, CS, SS, DS, FS, GS in the order of their encodings. */
export type SegmentIndex = 0 | 1 | 2 | 3 | 4 | 5
export const ES = 0
export const CS = 1
export const SS = 2
export const DS = 3
export const FS = 4
export const GS = 5

export type AddressSize = 16 | 32 | 64

/** A general register. `high` names AH, CH, DH, BH, whose index is that of AX..BX. */
export interface RegisterOperand {
  readonly kind: 'register'
  readonly size: Size
  readonly index: number
  readonly high: boolean
}

export interface MemoryOperand {
  readonly kind: 'memory'
  /** 0 where the instruction gives the memory no size of its own (LEA, LGDT). */
  readonly size: Size | 0 | 80 | 128 | 256
  readonly segment: SegmentIndex
  readonly addressSize: AddressSize
  /** Register index, -1 for none, 'rip' for RIP-relative. */
  readonly base: number | 'rip'
  readonly index: number
  readonly scale: 1 | 2 | 4 | 8
  /** Sign-extended, may be negative. */
  readonly displacement: bigint
  /** Bytes of the displacement in the encoding: 0, 1, 2, 4 or 8 (moffs). */
  readonly displacementBytes: number
}

export interface ImmediateOperand {
  readonly kind: 'immediate'
  /** The size that `value` is wrapped to. */
  readonly size: Size
  readonly value: bigint
}

/** A branch displacement, relative to the next instruction; sign-extended, may be negative. */
export interface RelativeOperand {
  readonly kind: 'relative'
  readonly size: Size
  readonly value: bigint
}

/** Segment, control, debug or vector register. */
export interface SpecialOperand {
  readonly kind: 'segment' | 'control' | 'debug' | 'xmm' | 'ymm'
  readonly size: 16 | 32 | 64 | 128 | 256
  readonly index: number
}

/** A far pointer in the instruction: selector and offset. */
export interface FarOperand {
  readonly kind: 'far'
  readonly size: Size
  readonly selector: number
  readonly offset: bigint
}

export interface NoOperand {
  readonly kind: 'none'
}

export type Operand = RegisterOperand | MemoryOperand | ImmediateOperand | RelativeOperand | SpecialOperand | FarOperand | NoOperand

export const NONE: NoOperand = { kind: 'none' }

const registers = ([8, 16, 32, 64] as const).map(size =>
  Array.from({ length: 16 }, (_, index): RegisterOperand => ({ kind: 'register', size, index, high: false })),
)
const highBytes = [0, 1, 2, 3].map((index): RegisterOperand => ({ kind: 'register', size: 8, index, high: true }))

/** The general register `index` (0 RAX .. 15 R15) at a size; the same object every time. */
export const gpr = (size: Size, index: number): RegisterOperand =>
  registers[size === 8 ? 0 : size === 16 ? 1 : size === 32 ? 2 : 3]![index]!
export const highByte = (index: number): RegisterOperand => highBytes[index]!

export const RAX = 0
export const RCX = 1
export const RDX = 2
export const RBX = 3
export const RSP = 4
export const RBP = 5
export const RSI = 6
export const RDI = 7
