/** Descriptors that software asks about without loading them (Intel SDM, "LAR", "LSL", "VERR/VERW"). ZF says whether it may. */

import { shiftRight, unsigned } from '../../../base/u64.ts'
import type { Instruction } from '../../../isa/instruction.ts'
import type { Operand } from '../../../isa/operands.ts'
import type { Engine } from '../engine.ts'
import { ZF } from '../lazy-flags.ts'
import { cplOf } from '../registers.ts'
import { type Descriptor, dplOf, findDescriptor } from './segments.ts'

const LDT = 0x2
const TSS = 0x9
const BUSY_TSS = 0xb
const CALL_GATE = 0xc

const isSegment = (rights: number): boolean => (rights & 0x10) !== 0
const isCode = (rights: number): boolean => (rights & 0x18) === 0x18
const isConforming = (rights: number): boolean => (rights & 0x1c) === 0x1c

/** The descriptor if its type is among those allowed and its privilege lets this program see it. */
function visible(engine: Engine, operand: Operand, systemTypes: readonly number[]): Descriptor | null {
  const selector = Number(engine.read(operand) & 0xffffn)
  if ((selector & 0xfffc) === 0) return null
  const descriptor = findDescriptor(engine, selector)
  if (descriptor === null) return null
  const { rights } = descriptor
  if (!isSegment(rights) && !systemTypes.includes(rights & 0xf)) return null
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
  const descriptor = visible(engine, i.src, [LDT, TSS, BUSY_TSS, CALL_GATE])
  if (descriptor !== null) engine.write(i.dst, unsigned(i.size, shiftRight(descriptor.low, 32) & 0x00f0_ff00n))
  conclude(engine, descriptor !== null)
}

export function lsl(engine: Engine, i: Instruction): void {
  const descriptor = visible(engine, i.src, [LDT, TSS, BUSY_TSS])
  if (descriptor !== null) engine.write(i.dst, unsigned(i.size, BigInt(descriptor.limit)))
  conclude(engine, descriptor !== null)
}

export function verr(engine: Engine, i: Instruction): void {
  const descriptor = visible(engine, i.dst, [])
  conclude(engine, descriptor !== null && (!isCode(descriptor.rights) || (descriptor.rights & 2) !== 0))
}

export function verw(engine: Engine, i: Instruction): void {
  const descriptor = visible(engine, i.dst, [])
  conclude(engine, descriptor !== null && !isCode(descriptor.rights) && (descriptor.rights & 2) !== 0)
}
