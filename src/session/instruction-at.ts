/** The instruction that a CPU is about to run, read without leaving a trace. */

import type { Engine } from '../hw/cpu/engine.ts'
import { decode } from '../isa/decode.ts'
import type { Instruction } from '../isa/instruction.ts'
import { CS } from '../isa/operands.ts'
import { MSRS } from '../spec/msrs.ts'
import { linearBytes } from './timeline-memory.ts'

class NotMapped {}

/** Null where the fetch would fault, or the bytes are no instruction. */
export function instructionAt(engine: Engine): Instruction | null {
  const kept = engine.position < 0 ? undefined : engine.codePage.offsets[engine.position]
  return kept?.instruction ?? decoded(engine)
}

function decoded({ machine, index, registers, cpu, rip, bits, stackBits }: Engine): Instruction | null {
  const { cr, pdpte, segmentBase } = registers
  const paging = { cr0: cr[0]!, cr3: cr[3]!, cr4: cr[4]!, efer: cpu.msrs[MSRS.MSR_EFER.index] ?? 0n, pdptes: [...pdpte] }
  const byteAt = linearBytes({ machine, cpu: index }, paging)
  const base = bits === 64 ? rip : segmentBase[CS]! + rip
  try {
    const instruction = decode(
      at => {
        const byte = byteAt(BigInt.asUintN(bits === 64 ? 64 : 32, base + BigInt(at)))
        if (byte === undefined) throw new NotMapped()
        return byte
      },
      { bits, stackSize: stackBits },
    )
    return typeof instruction === 'string' ? null : instruction
  } catch (thrown) {
    if (thrown instanceof NotMapped) return null
    throw thrown
  }
}
