/** Vector registers and vector memory operands as 64-bit lanes (Intel SDM, "XMM Registers"; "Alignment" of SSE data). */

import { assert } from '../../../base/assert.ts'
import { FS, type MemoryOperand, type Operand } from '../../../isa/operands.ts'
import type { Engine } from '../engine.ts'
import { generalProtection } from '../faults.ts'

export type Alignment = 'aligned' | 'any'

/** An operand that the table gives no size is of 128 bits. */
const bytesOf = ({ size }: MemoryOperand): number => (size === 0 ? 16 : size / 8)

/** Linear address of the operand's first byte. */
function placeOf(engine: Engine, operand: MemoryOperand, alignment: Alignment, access: 'read' | 'write'): bigint {
  const offset = engine.address(operand)
  if (alignment === 'aligned') {
    // Before canonicality and limits, whose fault may be #SS.
    const base = engine.bits === 64 && operand.segment < FS ? 0n : engine.registers.segmentBase[operand.segment]!
    if ((base + offset) % BigInt(bytesOf(operand)) !== 0n) throw generalProtection()
  }
  return engine.linear(operand.segment, offset, bytesOf(operand), access)
}

export function readVector(engine: Engine, operand: Operand, alignment: Alignment): readonly bigint[] {
  if (operand.kind === 'memory') {
    const linear = placeOf(engine, operand, alignment, 'read')
    return Array.from({ length: bytesOf(operand) / 8 }, (_, lane) => engine.loadLinear(64, engine.beyond(linear, 8 * lane)))
  }
  assert(operand.kind === 'xmm' || operand.kind === 'ymm', `a ${operand.kind} operand is not read as a vector`)
  const { xmm, ymmHigh } = engine.registers
  const low = [xmm[2 * operand.index]!, xmm[2 * operand.index + 1]!]
  return operand.kind === 'xmm' ? low : [...low, ymmHigh[2 * operand.index]!, ymmHigh[2 * operand.index + 1]!]
}

export function writeVector(engine: Engine, operand: Operand, lanes: readonly bigint[], alignment: Alignment): void {
  if (operand.kind === 'memory') {
    const linear = placeOf(engine, operand, alignment, 'write')
    const bytes = bytesOf(operand)
    // A store across pages faults before anything is written.
    engine.touchLinear(bytes, linear)
    for (let lane = 0; lane < bytes / 8; lane++) engine.storeLinear(64, engine.beyond(linear, 8 * lane), lanes[lane]!)
    return
  }
  assert(operand.kind === 'xmm' || operand.kind === 'ymm', `a ${operand.kind} operand is not written as a vector`)
  const { xmm, ymmHigh } = engine.registers
  xmm[2 * operand.index] = lanes[0]!
  xmm[2 * operand.index + 1] = lanes[1]!
  if (lanes.length === 2) return
  ymmHigh[2 * operand.index] = lanes[2]!
  ymmHigh[2 * operand.index + 1] = lanes[3]!
}
