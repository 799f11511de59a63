/**
 * The memory that an instruction is about to touch, for watchpoints of reads. What it does by data flow is known to the byte (operands,
 * the stack, strings); of an operation beyond data flow (IRET, FXSAVE, VMREAD) its explicit operand.
 */

import type { Engine } from '../hw/cpu/engine.ts'
import type { Instruction } from '../isa/instruction.ts'
import { memoryTouched, operandSource } from './why/dataflow.ts'

/** read: only reads count. any: writes too. */
export type Access = 'read' | 'any'

export interface Touch {
  readonly address: bigint
  readonly bytes: number
  readonly isWrite: boolean
}

/** On the machine as it stands; the engine has flushed. */
export function accessesOf(engine: Engine, instruction: Instruction): readonly Touch[] {
  const { touches: known, isSystem } = memoryTouched(engine, instruction)
  if (!isSystem) return known
  const explicit = [instruction.dst, instruction.src].flatMap(operand => {
    const source = operand.kind === 'memory' ? operandSource(engine, instruction, operand) : undefined
    return source?.kind === 'memory' ? [{ address: source.address, bytes: source.bytes, isWrite: false }] : []
  })
  return [...known, ...explicit]
}

/** Whether what an instruction touches is watched. */
export function touches(
  { address, bytes, isWrite }: Touch,
  watched: { readonly access: Access; readonly address: bigint; readonly bytes: number },
): boolean {
  if (watched.access === 'read' && isWrite) return false
  return address < watched.address + BigInt(watched.bytes) && watched.address < address + BigInt(bytes)
}
