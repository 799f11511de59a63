/** The far pointer of JMP, CALL, LDS and their kin: in the instruction, or in memory with the offset first. */

import { assert } from '../../../base/assert.ts'
import type { Size } from '../../../base/u64.ts'
import type { Operand } from '../../../isa/operands.ts'
import type { Engine } from '../engine.ts'

export interface FarPointer {
  readonly selector: number
  readonly offset: bigint
}

/** The offset is as wide as the operand size. */
export function farPointer(engine: Engine, operand: Operand, size: Size): FarPointer {
  if (operand.kind === 'far') return operand
  assert(operand.kind === 'memory', 'a far pointer is an immediate or lies in memory')
  const at = engine.address(operand)
  const offset = engine.load(size, operand.segment, at)
  const behind = engine.add(operand.addressSize, at, BigInt(size / 8))
  return { offset, selector: Number(engine.load(16, operand.segment, behind)) }
}
