/** Multiplication, division and the sign extensions that prepare it (Intel SDM, "Binary Arithmetic Instructions"). */

import type { Size } from '../base/u64.ts'
import { type Instruction, type InstructionRow, instruction } from './instruction.ts'
import { gpr, highByte, type Operand, RAX, RDX } from './operands.ts'
import type { Ops } from './ops.ts'

const RESULT_FLAGS = { writes: 'OF CF', undefined: 'SF ZF AF PF' } as const

/** Where the double-width product or dividend stands: AH:AL, DX:AX, EDX:EAX or RDX:RAX. */
const highHalf = (size: Size): Operand => (size === 8 ? highByte(RAX) : gpr(size, RDX))
const lowHalf = (size: Size): Operand => gpr(size, RAX)

function multiplyWide<V>(o: Ops<V>, { size, dst }: Instruction, signedness: 'signed' | 'unsigned'): void {
  const a = o.read(lowHalf(size))
  const b = o.read(dst)
  const low = o.mul(size, a, b)
  const high = o.mulHigh(size, signedness, a, b)
  o.write(lowHalf(size), low)
  o.write(highHalf(size), high)
  overflow(o, size, low, high, signedness)
}

/** CF = OF = the upper half holds something: not the extension of the lower half. */
function overflow<V>(o: Ops<V>, size: Size, low: V, high: V, signedness: 'signed' | 'unsigned'): void {
  const insignificant = signedness === 'unsigned' ? o.constant(0n) : o.sar(size, low, o.constant(BigInt(size - 1)))
  const significant = o.select(o.equal(high, insignificant), o.constant(0n), o.constant(1n))
  o.setFlag('CF', significant)
  o.setFlag('OF', significant)
}

function multiplyShort<V>(o: Ops<V>, size: Size, dst: Operand, a: V, b: V): void {
  const low = o.mul(size, a, b)
  o.write(dst, low)
  overflow(o, size, low, o.mulHigh(size, 'signed', a, b), 'signed')
}

function divideWide<V>(o: Ops<V>, { size, dst }: Instruction, signedness: 'signed' | 'unsigned'): void {
  const [quotient, remainder] = o.divide(size, signedness, o.read(highHalf(size)), o.read(lowHalf(size)), o.read(dst))
  o.write(lowHalf(size), quotient)
  o.write(highHalf(size), remainder)
}

const unaryForms = (digit: number): [string, string][] => [
  [`F6 /${digit}`, 'r/m8'],
  [`F7 /${digit}`, 'r/m'],
]

export const MUL = instruction('MUL', {
  ...RESULT_FLAGS,
  forms: unaryForms(4),
  execute: (o, i) => multiplyWide(o, i, 'unsigned'),
})

export const IMUL = instruction('IMUL', {
  ...RESULT_FLAGS,
  forms: [
    ...unaryForms(5),
    ['0F AF /r', 'r, r/m'],
    ['6B /r ib', 'r, r/m, imm8'],
    ['69 /r iz', 'r, r/m, imm'],
    ['6B /r ib', 'r, imm8', 'encode same'],
    ['69 /r iz', 'r, imm', 'encode same'],
  ],
  execute(o, i) {
    if (i.src.kind === 'none') multiplyWide(o, i, 'signed')
    else if (i.third.kind === 'none') multiplyShort(o, i.size, i.dst, o.read(i.dst), o.read(i.src))
    else multiplyShort(o, i.size, i.dst, o.read(i.src), o.read(i.third))
  },
})

export const DIV = instruction('DIV', {
  undefined: 'OF SF ZF AF PF CF',
  forms: unaryForms(6),
  execute: (o, i) => divideWide(o, i, 'unsigned'),
})

export const IDIV = instruction('IDIV', {
  undefined: 'OF SF ZF AF PF CF',
  forms: unaryForms(7),
  execute: (o, i) => divideWide(o, i, 'signed'),
})

/** AX := sign of AL, EAX := sign of AX, RAX := sign of EAX. */
const widen = (mnemonic: string, opcode: string, from: Size, to: Size): InstructionRow =>
  instruction(mnemonic, {
    forms: [[opcode, '']],
    execute: o => o.write(gpr(to, RAX), o.signExtend(from, to, o.read(gpr(from, RAX)))),
  })

/** The sign of the accumulator fills DX, EDX or RDX. */
const fillWithSign = (mnemonic: string, opcode: string, size: Size): InstructionRow =>
  instruction(mnemonic, {
    forms: [[opcode, '']],
    execute: o => o.write(gpr(size, RDX), o.sar(size, o.read(gpr(size, RAX)), o.constant(BigInt(size - 1)))),
  })

export const MULTIPLICATION: readonly InstructionRow[] = [
  MUL,
  IMUL,
  DIV,
  IDIV,
  widen('CBW', 'o16 98', 8, 16),
  widen('CWDE', 'o32 98', 16, 32),
  widen('CDQE', 'o64 98', 32, 64),
  fillWithSign('CWD', 'o16 99', 16),
  fillWithSign('CDQ', 'o32 99', 32),
  fillWithSign('CQO', 'o64 99', 64),
]
