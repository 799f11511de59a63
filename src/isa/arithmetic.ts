/** Binary integer arithmetic and logic (Intel SDM, "Binary Arithmetic Instructions", "Logical Instructions"). */

import type { Size } from '../base/u64.ts'
import { type InstructionRow, instruction } from './instruction.ts'
import type { Ops } from './ops.ts'

const ALL = 'OF SF ZF AF PF CF'

/** The forms that the eight classic operations share; `n` is the operation's number in the opcode map. 82 is 80 again. */
function classicForms(n: number): [opcode: string, operands: string, remarks?: string][] {
  const opcode = (low: number) => (n * 8 + low).toString(16).toUpperCase().padStart(2, '0')
  return [
    [`${opcode(0)} /r`, 'r/m8, r8'],
    [`${opcode(1)} /r`, 'r/m, r'],
    [`${opcode(2)} /r`, 'r8, r/m8'],
    [`${opcode(3)} /r`, 'r, r/m'],
    [`${opcode(4)} ib`, 'AL, imm8'],
    [`${opcode(5)} iz`, 'acc, imm'],
    [`80 /${n} ib`, 'r/m8, imm8'],
    [`82 /${n} ib`, 'r/m8, imm8', '!64 decode'],
    [`83 /${n} ib`, 'r/m, imm8'],
    [`81 /${n} iz`, 'r/m, imm'],
  ]
}

export const ADD = instruction('ADD', {
  writes: ALL,
  prefixes: ['lock'],
  forms: classicForms(0),
  execute(o, { size, dst, src }) {
    const a = o.modify(dst)
    const b = o.read(src)
    const sum = o.add(size, a, b)
    o.write(dst, sum) // may fault, so the flags come after it
    o.flags('add', size, a, b, sum)
  },
})

export const OR = instruction('OR', {
  writes: ALL,
  undefined: 'AF',
  prefixes: ['lock'],
  forms: classicForms(1),
  execute: (o, { size, dst, src }) => logic(o, size, o.modify(dst), o.read(src), o.or, result => o.write(dst, result)),
})

export const ADC = instruction('ADC', {
  writes: ALL,
  prefixes: ['lock'],
  forms: classicForms(2),
  execute(o, { size, dst, src }) {
    const a = o.modify(dst)
    const b = o.read(src)
    const sum = o.add(size, o.add(size, a, b), o.flag('CF'))
    o.write(dst, sum)
    o.flags('add', size, a, b, sum)
  },
})

export const SBB = instruction('SBB', {
  writes: ALL,
  prefixes: ['lock'],
  forms: classicForms(3),
  execute(o, { size, dst, src }) {
    const a = o.modify(dst)
    const b = o.read(src)
    const difference = o.sub(size, o.sub(size, a, b), o.flag('CF'))
    o.write(dst, difference)
    o.flags('sub', size, a, b, difference)
  },
})

export const AND = instruction('AND', {
  writes: ALL,
  undefined: 'AF',
  prefixes: ['lock'],
  forms: classicForms(4),
  execute: (o, { size, dst, src }) => logic(o, size, o.modify(dst), o.read(src), o.and, result => o.write(dst, result)),
})

export const SUB = instruction('SUB', {
  writes: ALL,
  prefixes: ['lock'],
  forms: classicForms(5),
  execute(o, { size, dst, src }) {
    const a = o.modify(dst)
    const b = o.read(src)
    const difference = o.sub(size, a, b)
    o.write(dst, difference)
    o.flags('sub', size, a, b, difference)
  },
})

export const XOR = instruction('XOR', {
  writes: ALL,
  undefined: 'AF',
  prefixes: ['lock'],
  forms: classicForms(6),
  execute: (o, { size, dst, src }) => logic(o, size, o.modify(dst), o.read(src), o.xor, result => o.write(dst, result)),
})

export const CMP = instruction('CMP', {
  writes: ALL,
  forms: classicForms(7),
  execute(o, { size, dst, src }) {
    const a = o.read(dst)
    const b = o.read(src)
    o.flags('sub', size, a, b, o.sub(size, a, b))
  },
})

export const TEST = instruction('TEST', {
  writes: ALL,
  undefined: 'AF',
  forms: [
    ['84 /r', 'r/m8, r8'],
    ['85 /r', 'r/m, r'],
    ['84 /r', 'r8, r/m8', 'encode'],
    ['85 /r', 'r, r/m', 'encode'],
    ['A8 ib', 'AL, imm8'],
    ['A9 iz', 'acc, imm'],
    ['F6 /0 ib', 'r/m8, imm8'],
    ['F7 /0 iz', 'r/m, imm'],
    ['F6 /1 ib', 'r/m8, imm8', 'decode'],
    ['F7 /1 iz', 'r/m, imm', 'decode'],
  ],
  execute: (o, { size, dst, src }) => logic(o, size, o.read(dst), o.read(src), o.and, () => {}),
})

export const NOT = instruction('NOT', {
  prefixes: ['lock'],
  forms: [
    ['F6 /2', 'r/m8'],
    ['F7 /2', 'r/m'],
  ],
  execute: (o, { size, dst }) => o.write(dst, o.not(size, o.modify(dst))),
})

export const NEG = instruction('NEG', {
  writes: ALL,
  prefixes: ['lock'],
  forms: [
    ['F6 /3', 'r/m8'],
    ['F7 /3', 'r/m'],
  ],
  execute(o, { size, dst }) {
    const value = o.modify(dst)
    const zero = o.constant(0n)
    const negated = o.sub(size, zero, value)
    o.write(dst, negated)
    o.flags('sub', size, zero, value, negated)
  },
})

export const INC = instruction('INC', {
  writes: 'OF SF ZF AF PF',
  prefixes: ['lock'],
  forms: [
    ['40 +r', 'r', '!64'],
    ['FE /0', 'r/m8'],
    ['FF /0', 'r/m'],
  ],
  execute(o, { size, dst }) {
    const value = o.modify(dst)
    const one = o.constant(1n)
    const sum = o.add(size, value, one)
    o.write(dst, sum)
    o.flags('inc', size, value, one, sum)
  },
})

export const DEC = instruction('DEC', {
  writes: 'OF SF ZF AF PF',
  prefixes: ['lock'],
  forms: [
    ['48 +r', 'r', '!64'],
    ['FE /1', 'r/m8'],
    ['FF /1', 'r/m'],
  ],
  execute(o, { size, dst }) {
    const value = o.modify(dst)
    const one = o.constant(1n)
    const difference = o.sub(size, value, one)
    o.write(dst, difference)
    o.flags('dec', size, value, one, difference)
  },
})

function logic<V>(o: Ops<V>, size: Size, a: V, b: V, operation: (a: V, b: V) => V, commit: (result: V) => void): void {
  const result = operation.call(o, a, b)
  commit(result)
  o.flags('logic', size, a, b, result)
}

export const ARITHMETIC: readonly InstructionRow[] = [ADD, OR, ADC, SBB, AND, SUB, XOR, CMP, TEST, NOT, NEG, INC, DEC]
