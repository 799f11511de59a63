/** Logic, integer arithmetic and shifts on 128-bit vectors (Intel SDM, "SSE2 128-Bit SIMD Integer Instructions", "Logical Instructions"). */

import type { Size } from '../base/u64.ts'
import type { CpuidFeatureName } from '../spec/cpuid.ts'
import { type InstructionRow, instruction } from './instruction.ts'
import type { Ops } from './ops.ts'
import { binary, type Combine, elementsOf, elementwise, lanesOf, ones } from './sse-elements.ts'

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
/** A signed value of 64 bits as the nearest element of `size` bits, signed or unsigned. */
const saturate = <V>(o: Ops<V>, size: Size, signedness: 'signed' | 'unsigned', value: V): V => {
  const most = signedness === 'signed' ? (1n << BigInt(size - 1)) - 1n : ones(size)
  const least = signedness === 'signed' ? BigInt.asUintN(64, -most - 1n) : 0n
  return o.and(minSigned(o, 64, maxSigned(o, 64, value, o.constant(least)), o.constant(most)), o.constant(ones(size)))
}
const addSaturatedSigned: Combine = (o, size, a, b) =>
  saturate(o, size, 'signed', o.add(64, o.signExtend(size, 64, a), o.signExtend(size, 64, b)))
const subSaturatedSigned: Combine = (o, size, a, b) =>
  saturate(o, size, 'signed', o.sub(64, o.signExtend(size, 64, a), o.signExtend(size, 64, b)))
/** Unsigned saturation: an overflow of the sum gives all ones, a borrow gives 0. */
const addSaturated: Combine = (o, size, a, b) => {
  const sum = o.add(size, a, b)
  return o.select(o.below(sum, a), o.constant(ones(size)), sum)
}
const subSaturated: Combine = (o, size, a, b) => o.select(o.below(a, b), o.constant(0n), o.sub(size, a, b))
/** (a + b + 1) / 2, of elements far smaller than a lane. */
const average: Combine = (o, _, a, b) => o.shr(64, o.add(64, o.add(64, a, b), o.constant(1n)), o.constant(1n))
const multiplyLow: Combine = (o, size, a, b) => o.mul(size, a, b)
const multiplyHighSigned: Combine = (o, size, a, b) => o.mulHigh(size, 'signed', a, b)
const multiplyHighUnsigned: Combine = (o, size, a, b) => o.mulHigh(size, 'unsigned', a, b)
const multiplyEven: Combine = (o, _, a, b) => o.mul(64, o.zeroExtend(32, a), o.zeroExtend(32, b))

/** Products of signed words, two neighbours added: -32768 in all four gives 80000000H. */
const PMADDWD = binary('PMADDWD', '66 0F F5', (o, a, b) => {
  const others = elementsOf(o, 16, b)
  const products = elementsOf(o, 16, a).map((value, index) => o.mul(32, o.signExtend(16, 32, value), o.signExtend(16, 32, others[index]!)))
  const sums = products.flatMap((product, index) => (index % 2 === 0 ? [o.add(32, product, products[index + 1]!)] : []))
  return lanesOf(o, 32, sums)
})

/** The distances of the bytes of each lane, added. */
const PSADBW = binary('PSADBW', '66 0F F6', (o, a, b) =>
  a.map((lane, index) => {
    const others = elementsOf(o, 8, [b[index]!])
    const distances = elementsOf(o, 8, [lane]).map((value, position) => {
      const other = others[position]!
      return o.sub(64, maxUnsigned(o, 8, value, other), minUnsigned(o, 8, value, other))
    })
    return distances.reduce((sum, distance) => o.add(64, sum, distance))
  }),
)

/** Elements of both vectors, the destination's first, saturated to half their size. */
const pack = (mnemonic: string, opcode: string, from: 16 | 32, signedness: 'signed' | 'unsigned'): InstructionRow =>
  binary(mnemonic, `66 0F ${opcode}`, (o, a, b) => {
    const to = from === 32 ? 16 : 8
    return lanesOf(
      o,
      to,
      elementsOf(o, from, [...a, ...b]).map(value => saturate(o, to, signedness, o.signExtend(from, 64, value))),
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
  ...family('PADDS', ['EC', 'ED'], addSaturatedSigned),
  ...family('PSUBS', ['E8', 'E9'], subSaturatedSigned),
  ...family('PADDUS', ['DC', 'DD'], addSaturated),
  ...family('PSUBUS', ['D8', 'D9'], subSaturated),
  ...family('PAVG', ['E0', 'E3'], average),
  elementwise('PMINUB', 'DA', 8, minUnsigned),
  elementwise('PMAXUB', 'DE', 8, maxUnsigned),
  elementwise('PMINSW', 'EA', 16, minSigned),
  elementwise('PMAXSW', 'EE', 16, maxSigned),
  elementwise('PMULLW', 'D5', 16, multiplyLow),
  elementwise('PMULHW', 'E5', 16, multiplyHighSigned),
  elementwise('PMULHUW', 'E4', 16, multiplyHighUnsigned),
  elementwise('PMULUDQ', 'F4', 64, multiplyEven),
  PMADDWD,
  PSADBW,
  pack('PACKSSWB', '63', 16, 'signed'),
  pack('PACKSSDW', '6B', 32, 'signed'),
  pack('PACKUSWB', '67', 16, 'unsigned'),
  shift('PSLLW', 'F1', '71', 6, 16, left, false),
  shift('PSLLD', 'F2', '72', 6, 32, left, false),
  shift('PSLLQ', 'F3', '73', 6, 64, left, false),
  shift('PSRLW', 'D1', '71', 2, 16, right, false),
  shift('PSRLD', 'D2', '72', 2, 32, right, false),
  shift('PSRLQ', 'D3', '73', 2, 64, right, false),
  shift('PSRAW', 'E1', '71', 4, 16, arithmetic, true),
  shift('PSRAD', 'E2', '72', 4, 32, arithmetic, true),
]
