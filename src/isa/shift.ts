/** Shifts and rotates (Intel SDM, "Shift and Rotate Instructions"). The count is taken modulo 32, or 64 for 64-bit operands. */

import type { Size } from '../base/u64.ts'
import { type Instruction, type InstructionRow, instruction } from './instruction.ts'
import type { FlagRule, Ops } from './ops.ts'

const shiftForms = (digit: number): [string, string][] => [
  [`D0 /${digit}`, 'r/m8, 1'],
  [`D1 /${digit}`, 'r/m, 1'],
  [`D2 /${digit}`, 'r/m8, CL'],
  [`D3 /${digit}`, 'r/m, CL'],
  [`C0 /${digit} ib`, 'r/m8, uimm8'],
  [`C1 /${digit} ib`, 'r/m, uimm8'],
]

const countOf = <V>(o: Ops<V>, { size, src }: Instruction): V => o.and(o.read(src), o.constant(size === 64 ? 63n : 31n))

/** A count of zero leaves destination and flags alone; the destination must still be writable. */
function shift<V>(o: Ops<V>, i: Instruction, rule: FlagRule, operation: (size: Size, a: V, count: V) => V): void {
  const value = o.read(i.dst)
  const count = countOf(o, i)
  const result = operation.call(o, i.size, value, count)
  o.write(i.dst, result)
  o.when(
    o.equal(count, o.constant(0n)),
    () => {},
    () => o.flags(rule, i.size, value, count, result),
  )
}

export const SHL = instruction('SHL', {
  aliases: ['SAL'],
  writes: 'OF SF ZF PF CF',
  undefined: 'AF OF',
  forms: shiftForms(4),
  execute: (o, i) => shift(o, i, 'shl', o.shl),
})

export const SHR = instruction('SHR', {
  writes: 'OF SF ZF PF CF',
  undefined: 'AF OF',
  forms: shiftForms(5),
  execute: (o, i) => shift(o, i, 'shr', o.shr),
})

export const SAR = instruction('SAR', {
  writes: 'OF SF ZF PF CF',
  undefined: 'AF OF',
  forms: shiftForms(7),
  execute: (o, i) => shift(o, i, 'sar', o.sar),
})

const topBit = <V>(o: Ops<V>, size: Size, value: V): V => o.shr(size, value, o.constant(BigInt(size - 1)))

/** Rotate left by `count` modulo the size; a rotate right by n is a rotate left by size - n. */
function rotateLeft<V>(o: Ops<V>, size: Size, value: V, count: V): V {
  const modulo = o.and(count, o.constant(BigInt(size - 1)))
  const rest = o.sub(64, o.constant(BigInt(size)), modulo)
  const wrapped = o.select(o.equal(modulo, o.constant(0n)), o.constant(0n), o.shr(size, value, o.and(rest, o.constant(63n))))
  return o.or(o.shl(size, value, modulo), wrapped)
}

export const ROL = instruction('ROL', {
  writes: 'OF CF',
  undefined: 'OF',
  forms: shiftForms(0),
  execute(o, i) {
    const count = countOf(o, i)
    const result = rotateLeft(o, i.size, o.read(i.dst), count)
    o.write(i.dst, result)
    o.when(
      o.equal(count, o.constant(0n)),
      () => {},
      () => {
        const carry = o.and(result, o.constant(1n))
        o.setFlag('CF', carry)
        o.setFlag('OF', o.xor(topBit(o, i.size, result), carry))
      },
    )
  },
})

export const ROR = instruction('ROR', {
  writes: 'OF CF',
  undefined: 'OF',
  forms: shiftForms(1),
  execute(o, i) {
    const { size } = i
    const count = countOf(o, i)
    const leftward = o.sub(64, o.constant(BigInt(size)), o.and(count, o.constant(BigInt(size - 1))))
    const result = rotateLeft(o, size, o.read(i.dst), leftward)
    o.write(i.dst, result)
    o.when(
      o.equal(count, o.constant(0n)),
      () => {},
      () => {
        const second = o.and(o.shr(size, result, o.constant(BigInt(size - 2))), o.constant(1n))
        o.setFlag('CF', topBit(o, size, result))
        o.setFlag('OF', o.xor(topBit(o, size, result), second))
      },
    )
  },
})

export const SHIFTS: readonly InstructionRow[] = [ROL, ROR, SHL, SHR, SAR]
