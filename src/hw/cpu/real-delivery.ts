/**
 * Delivery in real-address mode, through the interrupt-vector table (Intel SDM, "Interrupt and Exception Handling" of real-address
 * mode): 4 bytes for each vector, offset and selector. FLAGS, CS and IP are pushed, never an error code.
 */

import { CS, gpr, RSP } from '../../isa/operands.ts'
import { AC, IF, RF, TF } from '../../isa/status-flags.ts'
import type { Engine } from './engine.ts'
import type { DeliveredEvent } from './event.ts'
import { generalProtection } from './faults.ts'
import { loadParagraph } from './system/load-segment.ts'
import { presentStack, pushFrame } from './system/stack-frame.ts'
import { PRIVILEGE } from './tlb.ts'

export function deliverThroughVectorTable(engine: Engine, { vector }: DeliveredEvent, returnTo: bigint, flags: number): void {
  const { cpu, registers } = engine
  const { base, limit } = cpu.idtr
  if (vector * 4 + 3 > limit) throw generalProtection()
  const at = engine.beyond(base, vector * 4)
  const offset = engine.loadLinear(16, at, PRIVILEGE.supervisor)
  const selector = Number(engine.loadLinear(16, engine.beyond(at, 2), PRIVILEGE.supervisor))
  engine.checkTarget(offset)
  const stack = presentStack(engine, false)
  const pointer = pushFrame(engine, stack, 16, [BigInt(flags & 0xffff), BigInt(cpu.segments[CS]!.selector), returnTo])
  engine.write(gpr(stack.width, RSP), pointer)
  loadParagraph(engine, CS, selector)
  registers.rip[0] = offset
  engine.replaceFlags(flags & ~(IF | TF | AC | RF))
}
