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
  const value = o.modify(i.dst)
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
  // The manual has no /6; processors take it for /4.
  forms: [...shiftForms(4), ...shiftForms(6).map(([opcode, operands]): [string, string, string] => [opcode, operands, 'decode'])],
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
    const result = rotateLeft(o, i.size, o.modify(i.dst), count)
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
    const result = rotateLeft(o, size, o.modify(i.dst), leftward)
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

/**
 * RCL and RCR rotate through CF: size + 1 bits. One bit at a time would be the manual's loop; in one step, the bits that leave at
 * one end come in at the other with CF between them.
 */
function rotateThroughCarry<V>(o: Ops<V>, i: Instruction, direction: 'left' | 'right'): void {
  const { size, dst } = i
  const value = o.modify(dst)
  const zero = o.constant(0n)
  const masked = countOf(o, i)
  const count = size >= 32 ? masked : modulo(o, masked, size + 1)
  const carry = o.flag('CF')
  const up = direction === 'left' ? count : o.select(o.equal(count, zero), zero, o.sub(64, o.constant(BigInt(size + 1)), count))
  const moved = o.equal(up, zero)
  const down = o.sub(64, o.constant(BigInt(size)), up)
  // [value << up] | [CF << (up - 1)] | [value >> (size + 1 - up)]
  const fromCarry = o.shl(size, carry, o.and(o.sub(64, up, o.constant(1n)), o.constant(63n)))
  const wrapped = o.shr(size, o.shr(size, value, o.and(down, o.constant(63n))), o.constant(1n))
  const highPart = o.select(o.equal(up, o.constant(BigInt(size))), zero, o.shl(size, value, o.and(up, o.constant(63n))))
  const wrappedAll = o.select(
    o.equal(up, o.constant(1n)),
    zero,
    o.select(o.equal(up, o.constant(BigInt(size))), o.shr(size, value, o.constant(1n)), wrapped),
  )
  const result = o.select(moved, value, o.or(o.or(highPart, fromCarry), wrappedAll))
  const carryOut = o.select(moved, carry, o.and(o.shr(size, value, o.and(down, o.constant(63n))), o.constant(1n)))
  o.write(dst, result)
  o.when(
    o.equal(masked, zero),
    () => {},
    () => {
      o.setFlag('CF', carryOut)
      const second = o.and(o.shr(size, result, o.constant(BigInt(size - 2))), o.constant(1n))
      o.setFlag('OF', o.xor(topBit(o, size, result), direction === 'left' ? carryOut : second))
    },
  )
}

/** A count below 32 modulo 9 or 17. */
function modulo<V>(o: Ops<V>, count: V, divisor: number): V {
  let rest = count
  for (let multiple = divisor * 2; multiple >= divisor; multiple /= 2) {
    const limit = o.constant(BigInt(multiple))
    if (Number.isInteger(multiple)) rest = o.select(o.below(rest, limit), rest, o.sub(64, rest, limit))
  }
  return rest
}

export const RCL = instruction('RCL', {
  writes: 'OF CF',
  undefined: 'OF',
  forms: shiftForms(2),
  execute: (o, i) => rotateThroughCarry(o, i, 'left'),
})
export const RCR = instruction('RCR', {
  writes: 'OF CF',
  undefined: 'OF',
  forms: shiftForms(3),
  execute: (o, i) => rotateThroughCarry(o, i, 'right'),
})

/** SHLD and SHRD: bits of a second register come in where the shift makes room. */
function doubleShift<V>(o: Ops<V>, i: Instruction, direction: 'left' | 'right'): void {
  const { size, dst, src, third } = i
  const value = o.modify(dst)
  const filler = o.read(src)
  const count = o.and(o.read(third), o.constant(size === 64 ? 63n : 31n))
  const zero = o.constant(0n)
  const rest = o.and(o.sub(64, o.constant(BigInt(size)), count), o.constant(63n))
  const shifted = direction === 'left' ? o.shl(size, value, count) : o.shr(size, value, count)
  const filled = direction === 'left' ? o.shr(size, filler, rest) : o.shl(size, filler, rest)
  const isZero = o.equal(count, zero)
  const result = o.select(isZero, value, o.or(shifted, filled))
  o.write(dst, result)
  o.when(
    isZero,
    () => {},
    () => o.flags(direction === 'left' ? 'shl' : 'shr', size, value, count, result),
  )
  // OF tells whether the sign changed.
  o.when(
    isZero,
    () => {},
    () => o.setFlag('OF', o.xor(topBit(o, size, value), topBit(o, size, result))),
  )
}

const doubleShiftForms = (opcode: string, opcodeByCl: string): [string, string][] => [
  [`0F ${opcode} /r ib`, 'r/m, r, uimm8'],
  [`0F ${opcodeByCl} /r`, 'r/m, r, CL'],
]

export const SHLD = instruction('SHLD', {
  writes: 'OF SF ZF PF CF',
  undefined: 'AF OF',
  forms: doubleShiftForms('A4', 'A5'),
  execute: (o, i) => doubleShift(o, i, 'left'),
})
export const SHRD = instruction('SHRD', {
  writes: 'OF SF ZF PF CF',
  undefined: 'AF OF',
  forms: doubleShiftForms('AC', 'AD'),
  execute: (o, i) => doubleShift(o, i, 'right'),
})

export const SHIFTS: readonly InstructionRow[] = [ROL, ROR, RCL, RCR, SHL, SHR, SAR, SHLD, SHRD]
