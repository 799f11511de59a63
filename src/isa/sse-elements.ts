/**
 * Vectors as elements: a vector is 64-bit lanes, and elements of 8 to 64 bits lie in them, the lowest first (Intel SDM, "Fundamental
 * 128-Bit Packed Data Types"); and the shape of most instructions on them, which combine two vectors into one.
 */

import type { Size } from '../base/u64.ts'
import type { CpuidFeatureName } from '../spec/cpuid.ts'
import { type InstructionRow, instruction } from './instruction.ts'
import type { Ops } from './ops.ts'

export type Lanes<V> = readonly V[]

export const ones = (size: Size): bigint => (1n << BigInt(size)) - 1n

/** The elements of lanes as values of their size. */
export function elementsOf<V>(o: Ops<V>, size: Size, lanes: Lanes<V>): V[] {
  if (size === 64) return [...lanes]
  const mask = o.constant(ones(size))
  const elements: V[] = []
  for (const lane of lanes)
    for (let position = 0; position < 64; position += size)
      elements.push(o.and(position === 0 ? lane : o.shr(64, lane, o.constant(BigInt(position))), mask))
  return elements
}

/** Elements of a size, the lowest first, as lanes. */
export function lanesOf<V>(o: Ops<V>, size: Size, elements: readonly V[]): V[] {
  if (size === 64) return [...elements]
  const perLane = 64 / size
  return Array.from({ length: elements.length / perLane }, (_, lane) => {
    let value: V = elements[lane * perLane]!
    for (let index = 1; index < perLane; index++)
      value = o.or(value, o.shl(64, elements[lane * perLane + index]!, o.constant(BigInt(index * size))))
    return value
  })
}

/** The result for one element of each operand. */
export type Combine = <V>(o: Ops<V>, size: Size, a: V, b: V) => V

/** dst := dst op src, with an aligned operand in memory. */
export const binary = (
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

export const elementwise = (mnemonic: string, opcode: string, size: Size, combine: Combine): InstructionRow =>
  binary(mnemonic, `66 0F ${opcode}`, (o, a, b) => {
    const others = elementsOf(o, size, b)
    return lanesOf(
      o,
      size,
      elementsOf(o, size, a).map((value, index) => combine(o, size, value, others[index]!)),
    )
  })
