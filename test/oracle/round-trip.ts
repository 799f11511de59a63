/** Whether a decoded instruction is the one that was encoded, whatever form of it the assembler chose. */

import type { EncodeMemory, EncodeOperand } from '../../src/isa/encode.ts'
import type { Instruction } from '../../src/isa/instruction.ts'
import { DS, type Operand, SS } from '../../src/isa/operands.ts'
import type { Sample } from './instructions.ts'

const wrap = (value: bigint, size: number): bigint => BigInt.asUintN(size, value)

function sameMemory(wanted: EncodeMemory, got: Operand, sample: Sample, length: number): boolean {
  if (got.kind !== 'memory') return false
  const base = wanted.base
  const isStack = base === 4 || base === 5
  const segment = wanted.segment !== -1 ? wanted.segment : isStack ? SS : DS
  const displacement = base === 'rip' ? got.displacement + BigInt(length) : got.displacement
  // Of two registers with scale 1 in 16-bit addressing either may be the base.
  const registers = got.base === base && got.index === wanted.index
  const stated = wanted.size === 0 || got.size === wanted.size || sample.name === 'LEA'
  return (
    stated &&
    registers &&
    got.addressSize === wanted.addressSize &&
    (wanted.index === -1 || got.scale === wanted.scale) &&
    got.segment === segment &&
    wrap(displacement, wanted.addressSize) === wrap(wanted.displacement, wanted.addressSize)
  )
}

function sameOperand(wanted: EncodeOperand, got: Operand, sample: Sample, length: number): boolean {
  switch (wanted.kind) {
    case 'memory': {
      const plain16 = got.kind === 'memory' && got.addressSize === 16 && got.base === wanted.base && got.index === wanted.index
      const alone = got.kind === 'memory' && got.addressSize === 16 && wanted.index === -1
      return sameMemory(wanted, got, sample, length) || ((plain16 || alone) && sameMemory({ ...wanted, scale: 1 }, got, sample, length))
    }
    case 'immediate':
      if (got.kind === 'relative') return wrap(got.value + BigInt(length), got.size) === wrap(wanted.value, got.size)
      return got.kind === 'immediate' && wrap(got.value, got.size) === wrap(wanted.value, got.size)
    case 'far':
      return got.kind === 'far' && BigInt(got.selector) === wanted.selector && got.offset === wanted.offset
    case 'register':
      return got.kind === 'register' && got.index === wanted.index && got.size === wanted.size && got.high === wanted.high
    default:
      return got.kind === wanted.kind && got.index === wanted.index
  }
}

/** The operands in order, or in the other order where it does not matter. */
export function sameInstruction(sample: Sample, got: Instruction): boolean {
  const decoded = [got.dst, got.src, got.third].slice(0, got.form.operands.length)
  const matches = (wanted: readonly EncodeOperand[]): boolean =>
    wanted.length === decoded.length && wanted.every((operand, position) => sameOperand(operand, decoded[position]!, sample, got.length))
  const commutes = sample.row.mnemonic === 'XCHG' || sample.row.mnemonic === 'TEST'
  return got.row === sample.row && (matches(sample.operands) || (commutes && matches(sample.operands.toReversed())))
}
