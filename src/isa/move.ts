/** Data transfer (Intel SDM, "Data Transfer Instructions"), without the stack. */

import { CONDITION_CODES, type ConditionCode } from '../spec/rflags.ts'
import { type InstructionRow, instruction } from './instruction.ts'

export const MOV = instruction('MOV', {
  forms: [
    ['88 /r', 'r/m8, r8'],
    ['89 /r', 'r/m, r'],
    ['8A /r', 'r8, r/m8'],
    ['8B /r', 'r, r/m'],
    ['A0 oa', 'AL, moffs8'],
    ['A1 oa', 'acc, moffs'],
    ['A2 oa', 'moffs8, AL'],
    ['A3 oa', 'moffs, acc'],
    ['B0 +r ib', 'r8, imm8'],
    ['B8 +r iv', 'r, imm'],
    ['C6 /0 ib', 'r/m8, imm8'],
    ['C7 /0 iz', 'r/m, imm'],
    ['8C /r', 'rm, sreg'],
    ['8C /r', 'm16, sreg'],
    ['8E /r', 'sreg, r/m16'],
    ['8E /r', 'sreg, rm', 'encode'],
    ['0F 20 /r', 'rmn, cr'],
    ['0F 22 /r', 'cr, rmn'],
    ['0F 21 /r', 'rmn, dr'],
    ['0F 23 /r', 'dr, rmn'],
  ],
  execute(o, { dst, src }) {
    if (dst.kind === 'segment') o.system('mov-to-segment')
    else if (dst.kind === 'control') o.system('mov-to-control')
    else if (src.kind === 'control') o.system('mov-from-control')
    else if (dst.kind === 'debug') o.system('mov-to-debug')
    else if (src.kind === 'debug') o.system('mov-from-debug')
    else o.write(dst, o.read(src))
  },
})

export const MOVZX = instruction('MOVZX', {
  forms: [
    ['0F B6 /r', 'r, r/m8'],
    ['0F B7 /r', 'r, r/m16'],
  ],
  execute: (o, { dst, src }) => o.write(dst, o.read(src)),
})

export const MOVSX = instruction('MOVSX', {
  forms: [
    ['0F BE /r', 'r, r/m8'],
    ['0F BF /r', 'r, r/m16'],
  ],
  execute: (o, { size, dst, src }) =>
    o.write(dst, o.signExtend(src.kind === 'register' || src.kind === 'memory' ? narrow(src.size) : 8, size, o.read(src))),
})

export const MOVSXD = instruction('MOVSXD', {
  forms: [
    ['63 /r', 'r, r/m32', '64'],
    ['o16 63 /r', 'r16, r/m16', '64 decode'],
  ],
  execute: (o, { size, dst, src }) => o.write(dst, size === 64 ? o.signExtend(32, 64, o.read(src)) : o.zeroExtend(size, o.read(src))),
})

/** MOVSX takes a byte or a word. */
const narrow = (size: number): 8 | 16 => (size === 16 ? 16 : 8)

export const LEA = instruction('LEA', {
  forms: [['8D /r', 'r, mem']],
  execute: (o, { size, dst, src }) => o.write(dst, o.zeroExtend(size, o.address(src))),
})

export const XCHG = instruction('XCHG', {
  prefixes: ['lock'],
  forms: [
    ['90 +r', 'r, acc'],
    ['90 +r', 'acc, r', 'encode'],
    ['86 /r', 'r/m8, r8'],
    ['87 /r', 'r/m, r'],
    ['86 /r', 'r8, r/m8', 'encode'],
    ['87 /r', 'r, r/m', 'encode'],
  ],
  execute(o, { dst, src }) {
    const a = o.modify(dst)
    const b = o.read(src)
    o.write(dst, b) // the one that may be memory first: the other write cannot fault
    o.write(src, a)
  },
})

const setcc = CONDITION_CODES.map(([name, ...others], code) =>
  instruction(`SET${name}`, {
    aliases: others.map(other => `SET${other}`),
    // ModRM.reg is ignored.
    forms: [[`0F ${(0x90 + code).toString(16).toUpperCase()} /r`, 'r/m8']],
    execute: (o, { dst }) => o.write(dst, o.condition(code as ConditionCode)),
  }),
)

/** The source is read, and the destination's upper half cleared at 32 bits, whether the condition holds or not. */
const cmovcc = CONDITION_CODES.map(([name, ...others], code) =>
  instruction(`CMOV${name}`, {
    aliases: others.map(other => `CMOV${other}`),
    forms: [[`0F ${(0x40 + code).toString(16).toUpperCase()} /r`, 'r, r/m']],
    execute: (o, { dst, src }) => o.write(dst, o.select(o.condition(code as ConditionCode), o.read(src), o.read(dst))),
  }),
)

export const MOVES: readonly InstructionRow[] = [MOV, MOVZX, MOVSX, MOVSXD, LEA, XCHG, ...setcc, ...cmovcc]
