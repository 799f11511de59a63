/** Single bits, bit counts and byte order (Intel SDM, "Bit and Byte Instructions"). */

import type { Size } from '../base/u64.ts'
import { type Instruction, type InstructionRow, instruction } from './instruction.ts'
import type { Ops } from './ops.ts'

const LOG2: Readonly<Record<Size, bigint>> = { 8: 3n, 16: 4n, 32: 5n, 64: 6n }

/**
 * BT and its kin: CF is the bit at an offset. With the offset in a register and the string in memory, the offset is signed and
 * reaches beyond the operand, in steps of its size.
 */
function bitTest<V>(o: Ops<V>, i: Instruction, change: ((value: V, mask: V) => V) | null): void {
  const { size, dst, src, addressSize } = i
  const offset = o.read(src)
  const position = o.and(offset, o.constant(BigInt(size - 1)))
  const mask = o.shl(size, o.constant(1n), position)
  let value: V
  if (dst.kind === 'memory' && src.kind === 'register') {
    const element = o.signExtend(size, 64, o.sar(size, offset, o.constant(LOG2[size])))
    const displacement = o.mul(64, element, o.constant(BigInt(size / 8)))
    const address = o.zeroExtend(addressSize, o.add(64, o.address(dst), displacement))
    if (change !== null) o.touch(size, dst.segment, address)
    value = o.load(size, dst.segment, address)
    if (change !== null) o.store(size, dst.segment, address, change(value, mask))
  } else {
    value = change === null ? o.read(dst) : o.modify(dst)
    if (change !== null) o.write(dst, change(value, mask))
  }
  o.setFlag('CF', o.and(o.shr(size, value, position), o.constant(1n)))
}

const hex = (byte: number): string => byte.toString(16).toUpperCase().padStart(2, '0')

/** The register form's opcode, and the digit of the immediate form 0F BA. */
const bitRow = (mnemonic: string, opcode: number, digit: number, execute: InstructionRow['execute']): InstructionRow =>
  instruction(mnemonic, {
    writes: 'CF',
    undefined: 'OF SF AF PF',
    prefixes: mnemonic === 'BT' ? [] : ['lock'],
    forms: [
      [`0F ${hex(opcode)} /r`, 'r/m, r'],
      [`0F BA /${digit} ib`, 'r/m, uimm8'],
    ],
    execute,
  })

/** The number of zero bits below the lowest 1, by halving; `size` for a source of 0. */
function trailingZeros<V>(o: Ops<V>, size: Size, source: V): V {
  let value = source
  let count = o.constant(0n)
  for (let step = size / 2; step >= 1; step /= 2) {
    const low = o.and(value, o.constant((1n << BigInt(step)) - 1n))
    const isZero = o.equal(low, o.constant(0n))
    count = o.select(isZero, o.add(size, count, o.constant(BigInt(step))), count)
    value = o.select(isZero, o.shr(size, value, o.constant(BigInt(step))), value)
  }
  return o.select(o.equal(source, o.constant(0n)), o.constant(BigInt(size)), count)
}

/** The number of zero bits above the highest 1; `size` for a source of 0. */
function leadingZeros<V>(o: Ops<V>, size: Size, source: V): V {
  let value = source
  let count = o.constant(0n)
  for (let step = size / 2; step >= 1; step /= 2) {
    const high = o.shr(size, value, o.constant(BigInt(size - step)))
    const isZero = o.equal(high, o.constant(0n))
    count = o.select(isZero, o.add(size, count, o.constant(BigInt(step))), count)
    value = o.select(isZero, o.shl(size, value, o.constant(BigInt(step))), value)
  }
  return o.select(o.equal(source, o.constant(0n)), o.constant(BigInt(size)), count)
}

/** BSF and BSR: the destination keeps its value for a source of 0 (as Intel documents since 2023). */
function scan<V>(o: Ops<V>, { size, dst, src }: Instruction, find: (source: V) => V): void {
  const source = o.read(src)
  const isZero = o.equal(source, o.constant(0n))
  o.when(
    isZero,
    () => {},
    () => o.write(dst, find(source)),
  )
  o.flags('logic', size, source, source, source)
  o.setFlag('ZF', isZero)
}

/** TZCNT and LZCNT: CF for a source of 0, ZF for a result of 0. */
function countZeros<V>(o: Ops<V>, { size, dst, src }: Instruction, count: (size: Size, source: V) => V): void {
  const source = o.read(src)
  const result = count(size, source)
  o.write(dst, result)
  o.setFlag('CF', o.equal(source, o.constant(0n)))
  o.setFlag('ZF', o.equal(result, o.constant(0n)))
}

/** Ones, counted in pairs, nibbles, bytes and so on. */
function populationCount<V>(o: Ops<V>, size: Size, source: V): V {
  let value = source
  for (let step = 1; step < size; step *= 2) {
    let mask = 0n
    for (let position = 0; position < size; position += 2 * step) mask |= ((1n << BigInt(step)) - 1n) << BigInt(position)
    const low = o.and(value, o.constant(mask))
    const high = o.and(o.shr(size, value, o.constant(BigInt(step))), o.constant(mask))
    value = o.add(size, low, high)
  }
  return value
}

function reverseBytes<V>(o: Ops<V>, size: Size, value: V): V {
  let reversed = o.constant(0n)
  for (let shift = 0; shift < size; shift += 8) {
    const byte = o.and(o.shr(size, value, o.constant(BigInt(shift))), o.constant(0xffn))
    reversed = o.or(reversed, o.shl(size, byte, o.constant(BigInt(size - 8 - shift))))
  }
  return reversed
}

const COUNT_FLAGS = { writes: 'CF ZF', undefined: 'OF SF AF PF' } as const

const BSF = instruction('BSF', {
  writes: 'ZF',
  undefined: 'CF OF SF AF PF',
  forms: [['0F BC /r', 'r, r/m']],
  execute: (o, i) => scan(o, i, source => trailingZeros(o, i.size, source)),
})

const BSR = instruction('BSR', {
  writes: 'ZF',
  undefined: 'CF OF SF AF PF',
  forms: [['0F BD /r', 'r, r/m']],
  execute: (o, i) => scan(o, i, source => o.sub(i.size, o.constant(BigInt(i.size - 1)), leadingZeros(o, i.size, source))),
})

export const BITS: readonly InstructionRow[] = [
  bitRow('BT', 0xa3, 4, (o, i) => bitTest(o, i, null)),
  bitRow('BTS', 0xab, 5, (o, i) => bitTest(o, i, (value, mask) => o.or(value, mask))),
  bitRow('BTR', 0xb3, 6, (o, i) => bitTest(o, i, (value, mask) => o.and(value, o.not(i.size, mask)))),
  bitRow('BTC', 0xbb, 7, (o, i) => bitTest(o, i, (value, mask) => o.xor(value, mask))),
  BSF,
  BSR,
  instruction('TZCNT', {
    ...COUNT_FLAGS,
    feature: 'bmi1',
    instead: BSF,
    forms: [['F3 0F BC /r', 'r, r/m']],
    execute: (o, i) => countZeros(o, i, (size, source) => trailingZeros(o, size, source)),
  }),
  instruction('LZCNT', {
    ...COUNT_FLAGS,
    feature: 'abm',
    instead: BSR,
    forms: [['F3 0F BD /r', 'r, r/m']],
    execute: (o, i) => countZeros(o, i, (size, source) => leadingZeros(o, size, source)),
  }),
  instruction('POPCNT', {
    writes: 'OF SF ZF AF PF CF',
    feature: 'popcnt',
    forms: [['F3 0F B8 /r', 'r, r/m']],
    execute(o, { size, dst, src }) {
      const source = o.read(src)
      o.write(dst, populationCount(o, size, source))
      for (const flag of ['OF', 'SF', 'AF', 'PF', 'CF'] as const) o.setFlag(flag, o.constant(0n))
      o.setFlag('ZF', o.equal(source, o.constant(0n)))
    },
  }),
  instruction('BSWAP', {
    forms: [['0F C8 +r', 'r']],
    // The 16-bit form is undefined by the manual; processors give 0.
    execute: (o, { size, dst }) => o.write(dst, size === 16 ? o.constant(0n) : reverseBytes(o, size, o.read(dst))),
  }),
  instruction('MOVBE', {
    feature: 'movbe',
    forms: [
      ['NFx 0F 38 F0 /r', 'r, m'],
      ['NFx 0F 38 F1 /r', 'm, r'],
    ],
    execute: (o, { size, dst, src }) => o.write(dst, reverseBytes(o, size, o.read(src))),
  }),
]
