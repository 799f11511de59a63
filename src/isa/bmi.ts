/** Bit manipulation with two sources, and additions with two carry chains (Intel SDM, "BMI1 and BMI2 Instructions", "ADCX", "ADOX"). */

import type { Size } from '../base/u64.ts'
import type { CpuidFeatureName } from '../spec/cpuid.ts'
import { type Instruction, type InstructionNotes, type InstructionRow, instruction } from './instruction.ts'
import { gpr, RDX } from './operands.ts'
import type { Ops } from './ops.ts'

const FLAGS = { writes: 'OF SF ZF CF', undefined: 'AF PF' } as const

const row = (
  mnemonic: string,
  feature: CpuidFeatureName,
  form: InstructionNotes['forms'][number],
  execute: InstructionRow['execute'],
  notes: Pick<InstructionNotes, 'writes' | 'undefined'> = {},
): InstructionRow => instruction(mnemonic, { feature, forms: [form], execute, ...notes })

/** Writes a result and its SF and ZF; OF is 0 and CF is given. */
function commit<V>(o: Ops<V>, { size, dst }: Instruction, result: V, carry: V): void {
  o.write(dst, result)
  o.flags('logic', size, result, result, result)
  o.setFlag('CF', carry)
}

const isZero = <V>(o: Ops<V>, value: V): V => o.equal(value, o.constant(0n))

/** `count` ones from bit 0 up; all of them for a count of `size` or more. */
function lowMask<V>(o: Ops<V>, size: Size, count: V): V {
  const one = o.constant(1n)
  const mask = o.sub(size, o.shl(size, one, o.and(count, o.constant(63n))), one)
  return o.select(o.below(count, o.constant(BigInt(size))), mask, o.not(size, o.constant(0n)))
}

function bextr<V>(o: Ops<V>, i: Instruction): void {
  const { size } = i
  const source = o.read(i.src)
  const control = o.read(i.third)
  const byte = o.constant(0xffn)
  const start = o.and(control, byte)
  const length = o.and(o.shr(size, control, o.constant(8n)), byte)
  const inside = o.below(start, o.constant(BigInt(size)))
  const shifted = o.select(inside, o.shr(size, source, o.and(start, o.constant(63n))), o.constant(0n))
  commit(o, i, o.and(shifted, lowMask(o, size, length)), o.constant(0n))
}

/** BLSI, BLSMSK and BLSR: what is done with the lowest 1 of the source. */
function lowestBit<V>(o: Ops<V>, i: Instruction, combine: (source: V, size: Size) => V, carryFor: 'zero' | 'nonzero'): void {
  const source = o.read(i.src)
  const zero = isZero(o, source)
  commit(o, i, combine(source, i.size), carryFor === 'zero' ? zero : o.xor(zero, o.constant(1n)))
}

const below = <V>(o: Ops<V>, size: Size, source: V): V => o.sub(size, source, o.constant(1n))

/** Bits of the source, from bit 0 up, go to where the mask has ones. */
function deposit<V>(o: Ops<V>, size: Size, source: V, mask: V): V {
  const one = o.constant(1n)
  let taken = o.constant(0n)
  let result = o.constant(0n)
  for (let position = 0n; position < size; position++) {
    const wanted = o.and(o.shr(size, mask, o.constant(position)), one)
    const bit = o.and(o.shr(size, source, o.and(taken, o.constant(63n))), wanted)
    result = o.or(result, o.shl(size, bit, o.constant(position)))
    taken = o.add(size, taken, wanted)
  }
  return result
}

/** Bits of the source where the mask has ones are gathered from bit 0 up. */
function extract<V>(o: Ops<V>, size: Size, source: V, mask: V): V {
  const one = o.constant(1n)
  let taken = o.constant(0n)
  let result = o.constant(0n)
  for (let position = 0n; position < size; position++) {
    const wanted = o.and(o.shr(size, mask, o.constant(position)), one)
    const bit = o.and(o.shr(size, source, o.constant(position)), wanted)
    result = o.or(result, o.shl(size, bit, o.and(taken, o.constant(63n))))
    taken = o.add(size, taken, wanted)
  }
  return result
}

/** A shift by a count that is taken modulo the operand size, without flags. */
function plainShift<V>(o: Ops<V>, i: Instruction, operation: (size: Size, a: V, count: V) => V): void {
  const count = o.and(o.read(i.third), o.constant(BigInt(i.size - 1)))
  o.write(i.dst, operation.call(o, i.size, o.read(i.src), count))
}

/** ADCX and ADOX add with one flag as the carry, and leave all the others. */
function addWithChain<V>(o: Ops<V>, { size, dst, src }: Instruction, chain: 'CF' | 'OF'): void {
  const a = o.read(dst)
  const b = o.read(src)
  const partial = o.add(size, a, b)
  const sum = o.add(size, partial, o.flag(chain))
  const carry = o.or(o.below(partial, a), o.below(sum, partial))
  o.write(dst, sum)
  o.setFlag(chain, carry)
}

function rotateRight<V>(o: Ops<V>, { size, dst, src, third }: Instruction): void {
  const value = o.read(src)
  const count = o.and(o.read(third), o.constant(BigInt(size - 1)))
  const rest = o.and(o.sub(64, o.constant(BigInt(size)), count), o.constant(BigInt(size - 1)))
  o.write(dst, o.or(o.shr(size, value, count), o.shl(size, value, rest)))
}

const THREE = 'r, rv, r/m'
const THREE_LAST = 'r, r/m, rv'

export const BMI: readonly InstructionRow[] = [
  row(
    'ANDN',
    'bmi1',
    ['VEX.LZ.0F38 F2 /r', THREE],
    (o, i) => commit(o, i, o.and(o.not(i.size, o.read(i.src)), o.read(i.third)), o.constant(0n)),
    FLAGS,
  ),
  row('BEXTR', 'bmi1', ['VEX.LZ.0F38 F7 /r', THREE_LAST], bextr, { writes: 'OF ZF CF', undefined: 'SF AF PF' }),
  row(
    'BLSI',
    'bmi1',
    ['VEX.LZ.0F38 F3 /3', 'rv, r/m'],
    (o, i) => lowestBit(o, i, (source, size) => o.and(source, o.sub(size, o.constant(0n), source)), 'nonzero'),
    FLAGS,
  ),
  row(
    'BLSMSK',
    'bmi1',
    ['VEX.LZ.0F38 F3 /2', 'rv, r/m'],
    (o, i) => lowestBit(o, i, (source, size) => o.xor(source, below(o, size, source)), 'zero'),
    FLAGS,
  ),
  row(
    'BLSR',
    'bmi1',
    ['VEX.LZ.0F38 F3 /1', 'rv, r/m'],
    (o, i) => lowestBit(o, i, (source, size) => o.and(source, below(o, size, source)), 'zero'),
    FLAGS,
  ),
  row(
    'BZHI',
    'bmi2',
    ['VEX.LZ.0F38 F5 /r', THREE_LAST],
    (o, i) => {
      const count = o.and(o.read(i.third), o.constant(0xffn))
      const inside = o.below(count, o.constant(BigInt(i.size)))
      commit(o, i, o.and(o.read(i.src), lowMask(o, i.size, count)), o.xor(inside, o.constant(1n)))
    },
    FLAGS,
  ),
  row('MULX', 'bmi2', ['VEX.LZ.F2.0F38 F6 /r', THREE], (o, { size, dst, src, third }) => {
    const a = o.read(gpr(size, RDX))
    const b = o.read(third)
    const high = o.mulHigh(size, 'unsigned', a, b)
    o.write(src, o.mul(size, a, b))
    o.write(dst, high) // the same register twice: the high half stays
  }),
  row('PDEP', 'bmi2', ['VEX.LZ.F2.0F38 F5 /r', THREE], (o, i) => o.write(i.dst, deposit(o, i.size, o.read(i.src), o.read(i.third)))),
  row('PEXT', 'bmi2', ['VEX.LZ.F3.0F38 F5 /r', THREE], (o, i) => o.write(i.dst, extract(o, i.size, o.read(i.src), o.read(i.third)))),
  row('RORX', 'bmi2', ['VEX.LZ.F2.0F3A F0 /r ib', 'r, r/m, uimm8'], rotateRight),
  row('SARX', 'bmi2', ['VEX.LZ.F3.0F38 F7 /r', THREE_LAST], (o, i) => plainShift(o, i, o.sar)),
  row('SHLX', 'bmi2', ['VEX.LZ.66.0F38 F7 /r', THREE_LAST], (o, i) => plainShift(o, i, o.shl)),
  row('SHRX', 'bmi2', ['VEX.LZ.F2.0F38 F7 /r', THREE_LAST], (o, i) => plainShift(o, i, o.shr)),
  row('ADCX', 'adx', ['66 0F 38 F6 /r', 'r, r/m', 'y'], (o, i) => addWithChain(o, i, 'CF'), { writes: 'CF' }),
  row('ADOX', 'adx', ['F3 0F 38 F6 /r', 'r, r/m', 'y'], (o, i) => addWithChain(o, i, 'OF'), { writes: 'OF' }),
]
