/** Descriptors that software asks about without loading them (Intel SDM, "LAR", "LSL", "VERR/VERW"). ZF says whether it may. */

import { shiftRight, unsigned } from '../../../base/u64.ts'
import type { Instruction } from '../../../isa/instruction.ts'
import type { Operand } from '../../../isa/operands.ts'
import { ZF } from '../../../isa/status-flags.ts'
import type { Engine } from '../engine.ts'
import { undefinedOpcode } from '../faults.ts'
import { isLongMode, isRealStyle } from '../mode.ts'
import { cplOf } from '../registers.ts'
import {
  type Descriptor,
  dplOf,
  findDescriptor,
  isConforming,
  isNull,
  isReadable,
  isSegment,
  isWritableData,
  SYSTEM_TYPE,
} from './descriptor.ts'

const { tss16, ldt, busyTss16, callGate16, taskGate, tss, busyTss, callGate } = SYSTEM_TYPE
const WITH_LIMIT = { long: [ldt, tss, busyTss], legacy: [tss16, ldt, busyTss16, tss, busyTss] } as const
const WITH_RIGHTS = { long: [...WITH_LIMIT.long, callGate], legacy: [...WITH_LIMIT.legacy, callGate16, taskGate, callGate] } as const
const NO_SYSTEM_TYPES = { long: [], legacy: [] } as const

/** The descriptor if its type is among those allowed and its privilege lets this program see it. */
function visible(
  engine: Engine,
  operand: Operand,
  types: { readonly long: readonly number[]; readonly legacy: readonly number[] },
): Descriptor | null {
  if (isRealStyle(engine.mode)) throw undefinedOpcode()
  const selector = Number(engine.read(operand) & 0xffffn)
  if (isNull(selector)) return null
  const descriptor = findDescriptor(engine, selector)
  if (descriptor === null) return null
  const { rights } = descriptor
  if (!isSegment(rights) && !(isLongMode(engine.mode) ? types.long : types.legacy).includes(rights & 0xf)) return null
  const dpl = dplOf(rights)
  const reachable = isConforming(rights) || (dpl >= cplOf(engine.cpu) && dpl >= (selector & 3))
  return reachable ? descriptor : null
}

function conclude(engine: Engine, good: boolean): void {
  const flags = engine.materialised()
  engine.replaceFlags(good ? flags | ZF : flags & ~ZF)
}

/** The second doubleword's rights, in their places. */
export function lar(engine: Engine, i: Instruction): void {
  const descriptor = visible(engine, i.src, WITH_RIGHTS)
  if (descriptor !== null) engine.write(i.dst, unsigned(i.size, shiftRight(descriptor.low, 32) & 0x00f0_ff00n))
  conclude(engine, descriptor !== null)
}

export function lsl(engine: Engine, i: Instruction): void {
  const descriptor = visible(engine, i.src, WITH_LIMIT)
  if (descriptor !== null) engine.write(i.dst, unsigned(i.size, BigInt(descriptor.limit)))
  conclude(engine, descriptor !== null)
}

export function verr(engine: Engine, i: Instruction): void {
  const descriptor = visible(engine, i.dst, NO_SYSTEM_TYPES)
  conclude(engine, descriptor !== null && isReadable(descriptor.rights))
}

export function verw(engine: Engine, i: Instruction): void {
  const descriptor = visible(engine, i.dst, NO_SYSTEM_TYPES)
  conclude(engine, descriptor !== null && isWritableData(descriptor.rights))
}
