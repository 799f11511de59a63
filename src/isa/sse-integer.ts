/**
 * Logic, integer arithmetic and shuffles on 128-bit vectors (Intel SDM, "SSE2 128-Bit SIMD Integer Instructions", "Logical
 * Instructions"). A vector is two 64-bit lanes; elements of 8 to 64 bits lie in them, the lowest first.
 */

import type { Size } from '../base/u64.ts'
import type { CpuidFeatureName } from '../spec/cpuid.ts'
import { type Instruction, type InstructionRow, instruction } from './instruction.ts'
import type { Ops } from './ops.ts'

type Lanes<V> = readonly V[]

const ones = (size: Size): bigint => (1n << BigInt(size)) - 1n

/** The elements of lanes as values of their size. */
function elementsOf<V>(o: Ops<V>, size: Size, lanes: Lanes<V>): V[] {
  if (size === 64) return [...lanes]
  const mask = o.constant(ones(size))
  const elements: V[] = []
  for (const lane of lanes)
    for (let position = 0; position < 64; position += size)
      elements.push(o.and(position === 0 ? lane : o.shr(64, lane, o.constant(BigInt(position))), mask))
  return elements
}

function lanesOf<V>(o: Ops<V>, size: Size, elements: readonly V[]): V[] {
  if (size === 64) return [...elements]
  const perLane = 64 / size
  return Array.from({ length: elements.length / perLane }, (_, lane) => {
    let value: V = elements[lane * perLane]!
    for (let index = 1; index < perLane; index++)
      value = o.or(value, o.shl(64, elements[lane * perLane + index]!, o.constant(BigInt(index * size))))
    return value
  })
}

type Combine = <V>(o: Ops<V>, size: Size, a: V, b: V) => V

/** dst := dst op src, with an aligned operand in memory. */
const binary = (
  mnemonic: string,
  opcode: string,
  combine: <V>(o: Ops<V>, a: Lanes<V>, b: Lanes<V>) => Lanes<V>,
  feature: CpuidFeatureName = 'sse2',
): InstructionRow =>
  instruction(mnemonic, {
    feature,
    forms: [[`${opcode} /r`, 'xmm, xmm/m128']],
    execute(o, { dst, src }) {
      const b = o.readVector(src, 'aligned')
      o.writeVector(dst, combine(o, o.readVector(dst, 'aligned'), b), 'aligned')
    },
  })

const elementwise = (mnemonic: string, opcode: string, size: Size, combine: Combine): InstructionRow =>
  binary(mnemonic, `66 0F ${opcode}`, (o, a, b) => {
    const others = elementsOf(o, size, b)
    return lanesOf(
      o,
      size,
      elementsOf(o, size, a).map((value, index) => combine(o, size, value, others[index]!)),
    )
  })

const lanewise = (mnemonic: string, opcode: string, combine: Combine, feature: CpuidFeatureName = 'sse2'): InstructionRow =>
  binary(mnemonic, opcode, (o, a, b) => a.map((value, index) => combine(o, 64, value, b[index]!)), feature)

const add: Combine = (o, size, a, b) => o.add(size, a, b)
const sub: Combine = (o, size, a, b) => o.sub(size, a, b)
const and: Combine = (o, _, a, b) => o.and(a, b)
const or: Combine = (o, _, a, b) => o.or(a, b)
const xor: Combine = (o, _, a, b) => o.xor(a, b)
const andNot: Combine = (o, size, a, b) => o.and(o.not(size, a), b)
const equal: Combine = (o, size, a, b) => o.select(o.equal(a, b), o.constant(ones(size)), o.constant(0n))
/** Signed order is unsigned order with the sign bits inverted. */
const signedBelow: Combine = (o, size, a, b) => {
  const sign = o.constant(1n << BigInt(size - 1))
  return o.below(o.xor(a, sign), o.xor(b, sign))
}
const greater: Combine = (o, size, a, b) => o.select(signedBelow(o, size, b, a), o.constant(ones(size)), o.constant(0n))
const minUnsigned: Combine = (o, _, a, b) => o.select(o.below(a, b), a, b)
const maxUnsigned: Combine = (o, _, a, b) => o.select(o.below(a, b), b, a)
const minSigned: Combine = (o, size, a, b) => o.select(signedBelow(o, size, a, b), a, b)
const maxSigned: Combine = (o, size, a, b) => o.select(signedBelow(o, size, a, b), b, a)
/** Unsigned saturation: an overflow of the sum gives all ones, a borrow gives 0. */
const addSaturated: Combine = (o, size, a, b) => {
  const sum = o.add(size, a, b)
  return o.select(o.below(sum, a), o.constant(ones(size)), sum)
}
const subSaturated: Combine = (o, size, a, b) => o.select(o.below(a, b), o.constant(0n), o.sub(size, a, b))
/** (a + b + 1) / 2, of elements far smaller than a lane. */
const average: Combine = (o, _, a, b) => o.shr(64, o.add(64, o.add(64, a, b), o.constant(1n)), o.constant(1n))
const multiplyLow: Combine = (o, size, a, b) => o.mul(size, a, b)
const multiplyEven: Combine = (o, _, a, b) => o.mul(64, o.zeroExtend(32, a), o.zeroExtend(32, b))

/** Elements of two vectors in turn, from their low or high halves. */
const unpack = (mnemonic: string, opcode: string, size: Size, half: 0 | 1): InstructionRow =>
  binary(mnemonic, `66 0F ${opcode}`, (o, a, b) => {
    const others = elementsOf(o, size, [b[half]!])
    return lanesOf(
      o,
      size,
      elementsOf(o, size, [a[half]!]).flatMap((value, index) => [value, others[index]!]),
    )
  })

type Shift = <V>(o: Ops<V>, size: Size, value: V, count: V) => V

/** Every element by one count, which is the low quadword of a vector or an immediate; one beyond the size shifts everything out. */
const shift = (mnemonic: string, opcode: string, immediate: string, digit: number, size: Size, operation: Shift, keepsSign: boolean) =>
  instruction(mnemonic, {
    feature: 'sse2',
    forms: [
      [`66 0F ${opcode} /r`, 'xmm, xmm/m128'],
      [`66 0F ${immediate} /${digit} ib`, 'xmmrm, uimm8'],
    ],
    execute(o, { dst, src }) {
      const count = src.kind === 'immediate' ? o.read(src) : o.readVector(src, 'aligned')[0]!
      const most = o.constant(BigInt(size - 1))
      const fits = o.below(count, o.constant(BigInt(size)))
      const safe = o.select(fits, count, keepsSign ? most : o.constant(0n))
      const shifted = elementsOf(o, size, o.readVector(dst, 'any')).map(value => {
        const result = operation(o, size, value, safe)
        return keepsSign ? result : o.select(fits, result, o.constant(0n))
      })
      o.writeVector(dst, lanesOf(o, size, shifted), 'any')
    },
  })

const left: Shift = (o, size, value, count) => o.shl(size, value, count)
const right: Shift = (o, size, value, count) => o.shr(size, value, count)
const arithmetic: Shift = (o, size, value, count) => o.sar(size, value, count)

/** PSLLDQ and PSRLDQ: the whole register by bytes. */
const shiftBytes = (mnemonic: string, digit: number, direction: 'left' | 'right'): InstructionRow =>
  instruction(mnemonic, {
    feature: 'sse2',
    forms: [[`66 0F 73 /${digit} ib`, 'xmmrm, uimm8']],
    execute(o, { dst, src }) {
      const distance = src.kind === 'immediate' ? Math.min(Number(src.value), 16) : 0
      const bytes = elementsOf(o, 8, o.readVector(dst, 'any'))
      const moved = bytes.map((_, index) => bytes[direction === 'left' ? index - distance : index + distance] ?? o.constant(0n))
      o.writeVector(dst, lanesOf(o, 8, moved), 'any')
    },
  })

/** PSHUFD, PSHUFLW, PSHUFHW: two bits of the immediate choose each element. */
const shuffle = (mnemonic: string, prefix: string, size: 16 | 32, part: 'all' | 'low' | 'high'): InstructionRow =>
  instruction(mnemonic, {
    feature: 'sse2',
    forms: [
      [`${prefix} 0F 70 /r ib`, 'xmm, xmmrm, uimm8'],
      [`${prefix} 0F 70 /r ib`, 'xmm, mem, uimm8'], // NASM takes no size word here
    ],
    execute(o, { dst, src, third }) {
      const order = third.kind === 'immediate' ? Number(third.value) : 0
      const lanes = o.readVector(src, 'aligned')
      const shuffled = (elements: readonly V[]): V[] => elements.map((_, index) => elements[(order >> (2 * index)) & 3]!)
      type V = (typeof lanes)[number]
      const result =
        part === 'all'
          ? lanesOf(o, size, shuffled(elementsOf(o, size, lanes)))
          : part === 'low'
            ? [lanesOf(o, size, shuffled(elementsOf(o, size, [lanes[0]!])))[0]!, lanes[1]!]
            : [lanes[0]!, lanesOf(o, size, shuffled(elementsOf(o, size, [lanes[1]!])))[0]!]
      o.writeVector(dst, result, 'any')
    },
  })

/** PINSRW and PEXTRW: one word, by number. */
const wordNumber = ({ third }: Instruction): number => (third.kind === 'immediate' ? Number(third.value) & 7 : 0)

const WORDS: readonly InstructionRow[] = [
  instruction('PINSRW', {
    feature: 'sse2',
    forms: [
      ['66 0F C4 /r ib', 'xmm, rm32, uimm8'],
      ['66 0F C4 /r ib', 'xmm, m16, uimm8'],
    ],
    execute(o, i) {
      const words = elementsOf(o, 16, o.readVector(i.dst, 'any'))
      words[wordNumber(i)] = o.zeroExtend(16, o.read(i.src))
      o.writeVector(i.dst, lanesOf(o, 16, words), 'any')
    },
  }),
  instruction('PEXTRW', {
    feature: 'sse2',
    forms: [['66 0F C5 /r ib', 'r32, xmmrm, uimm8']],
    execute: (o, i) => o.write(i.dst, elementsOf(o, 16, o.readVector(i.src, 'any'))[wordNumber(i)]!),
  }),
]

/** The same logic by the names of packed single, packed double and integers. */
const logic = (names: readonly [string, string, string], opcodes: readonly [string, string], combine: Combine): InstructionRow[] => [
  lanewise(names[0], `NP 0F ${opcodes[0]}`, combine, 'sse'),
  lanewise(names[1], `66 0F ${opcodes[0]}`, combine),
  lanewise(names[2], `66 0F ${opcodes[1]}`, combine),
]

const SIZES: readonly (readonly [letter: string, size: Size])[] = [
  ['B', 8],
  ['W', 16],
  ['D', 32],
  ['Q', 64],
]

const family = (name: string, opcodes: readonly string[], combine: Combine): InstructionRow[] =>
  opcodes.map((opcode, index) => elementwise(`${name}${SIZES[index]![0]}`, opcode, SIZES[index]![1], combine))

export const SSE_INTEGER: readonly InstructionRow[] = [
  ...logic(['ANDPS', 'ANDPD', 'PAND'], ['54', 'DB'], and),
  ...logic(['ANDNPS', 'ANDNPD', 'PANDN'], ['55', 'DF'], andNot),
  ...logic(['ORPS', 'ORPD', 'POR'], ['56', 'EB'], or),
  ...logic(['XORPS', 'XORPD', 'PXOR'], ['57', 'EF'], xor),
  ...family('PADD', ['FC', 'FD', 'FE', 'D4'], add),
  ...family('PSUB', ['F8', 'F9', 'FA', 'FB'], sub),
  ...family('PCMPEQ', ['74', '75', '76'], equal),
  ...family('PCMPGT', ['64', '65', '66'], greater),
  ...family('PADDUS', ['DC', 'DD'], addSaturated),
  ...family('PSUBUS', ['D8', 'D9'], subSaturated),
  ...family('PAVG', ['E0', 'E3'], average),
  elementwise('PMINUB', 'DA', 8, minUnsigned),
  elementwise('PMAXUB', 'DE', 8, maxUnsigned),
  elementwise('PMINSW', 'EA', 16, minSigned),
  elementwise('PMAXSW', 'EE', 16, maxSigned),
  elementwise('PMULLW', 'D5', 16, multiplyLow),
  elementwise('PMULUDQ', 'F4', 64, multiplyEven),
  unpack('PUNPCKLBW', '60', 8, 0),
  unpack('PUNPCKLWD', '61', 16, 0),
  unpack('PUNPCKLDQ', '62', 32, 0),
  unpack('PUNPCKLQDQ', '6C', 64, 0),
  unpack('PUNPCKHBW', '68', 8, 1),
  unpack('PUNPCKHWD', '69', 16, 1),
  unpack('PUNPCKHDQ', '6A', 32, 1),
  unpack('PUNPCKHQDQ', '6D', 64, 1),
  shift('PSLLW', 'F1', '71', 6, 16, left, false),
  shift('PSLLD', 'F2', '72', 6, 32, left, false),
  shift('PSLLQ', 'F3', '73', 6, 64, left, false),
  shift('PSRLW', 'D1', '71', 2, 16, right, false),
  shift('PSRLD', 'D2', '72', 2, 32, right, false),
  shift('PSRLQ', 'D3', '73', 2, 64, right, false),
  shift('PSRAW', 'E1', '71', 4, 16, arithmetic, true),
  shift('PSRAD', 'E2', '72', 4, 32, arithmetic, true),
  shiftBytes('PSLLDQ', 7, 'left'),
  shiftBytes('PSRLDQ', 3, 'right'),
  shuffle('PSHUFD', '66', 32, 'all'),
  shuffle('PSHUFLW', 'F2', 16, 'low'),
  shuffle('PSHUFHW', 'F3', 16, 'high'),
  ...WORDS,
]
