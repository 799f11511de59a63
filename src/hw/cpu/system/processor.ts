/** RDPID, RDPMC, CLAC and STAC (Intel SDM, their pages). */

import { unsigned } from '../../../base/u64.ts'
import type { Instruction } from '../../../isa/instruction.ts'
import type { RegisterOperand } from '../../../isa/operands.ts'
import { AC } from '../../../isa/status-flags.ts'
import { MSRS } from '../../../spec/msrs.ts'
import type { Engine } from '../engine.ts'
import { generalProtection, undefinedOpcode } from '../faults.ts'
import { cplOf } from '../registers.ts'

export function rdpid(engine: Engine, i: Instruction): void {
  const { size } = i.dst as RegisterOperand
  engine.write(i.dst, unsigned(size, engine.cpu.msrs[MSRS.MSR_TSC_AUX.index] ?? 0n))
}

/** There are no performance counters (CPUID leaf 0AH is empty), so every counter's number is wrong. */
export function rdpmc(): never {
  throw generalProtection()
}

function setAccess(engine: Engine, allowed: boolean): void {
  if (cplOf(engine.cpu) !== 0) throw undefinedOpcode()
  const flags = engine.materialised()
  engine.replaceFlags(allowed ? flags | AC : flags & ~AC)
}

export const clac = (engine: Engine): void => setAccess(engine, false)
export const stac = (engine: Engine): void => setAccess(engine, true)
