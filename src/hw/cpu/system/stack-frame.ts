/**
 * The stack of a transfer that writes several values: all are checked before the first is written, so that a fault leaves
 * everything as it was. The stack may be another than the one in SS: a more privileged one out of the TSS.
 */

import { type Size, unsigned } from '../../../base/u64.ts'
import { RSP, SS } from '../../../isa/operands.ts'
import { isCanonical } from '../../../spec/address-width.ts'
import type { Engine } from '../engine.ts'
import { Fault, VECTOR } from '../faults.ts'
import type { Width } from '../mode.ts'
import { cplOf, type Segment } from '../registers.ts'
import { isWithin, wrapped } from '../segmentation.ts'
import { PRIVILEGE } from '../tlb.ts'

export interface Stack {
  readonly segment: Segment
  readonly base: bigint
  readonly pointer: bigint
  /** Of the pointer; 64 for the flat stack of 64-bit code. */
  readonly width: Width
  /** Whose accesses they are. */
  readonly privilege: number
  /** Of the #SS that a push beyond the segment raises. */
  readonly errorCode: number
}

/** The stack in use. For a transfer to 64-bit code (`flat`) it has neither base nor limit. */
export function presentStack(engine: Engine, flat: boolean, errorCode = 0): Stack {
  const width = flat ? 64 : engine.stackBits
  return {
    segment: engine.cpu.segments[SS]!,
    base: flat ? 0n : engine.registers.segmentBase[SS]!,
    pointer: unsigned(engine.stackBits, engine.registers.gpr[RSP]!),
    width,
    privilege: cplOf(engine.cpu),
    errorCode,
  }
}

function addressOf({ linearBits }: Engine, { segment, base, width, errorCode }: Stack, offset: bigint, bytes: number): bigint {
  if (width === 64) {
    const last = unsigned(64, offset + BigInt(bytes - 1))
    if (!isCanonical(offset, linearBits) || !isCanonical(last, linearBits)) throw new Fault(VECTOR.SS, errorCode)
    return offset
  }
  const first = Number(offset)
  if (!isWithin(segment, first, first + bytes - 1)) throw new Fault(VECTOR.SS, errorCode)
  return wrapped(base + offset)
}

/** Pushes values of one size, the first one first; the stack pointer after them. */
export function pushFrame(engine: Engine, stack: Stack, size: Size, values: readonly bigint[]): bigint {
  const privilege = stack.privilege === 3 ? PRIVILEGE.user : PRIVILEGE.supervisor
  const bytes = size / 8
  const offsets = values.map((_, position) => unsigned(stack.width, stack.pointer - BigInt(bytes * (position + 1))))
  const addresses = offsets.map(offset => addressOf(engine, stack, offset, bytes))
  for (const address of addresses) engine.touchLinear(bytes, address, privilege)
  for (const [position, address] of addresses.entries()) engine.storeLinear(size, address, unsigned(size, values[position]!), privilege)
  return offsets.at(-1) ?? stack.pointer
}

/** A value on the stack in use, `index` slots above its top. */
export function stackSlot(engine: Engine, size: Size, index: number): bigint {
  const top = engine.registers.gpr[RSP]!
  return engine.load(size, SS, unsigned(engine.stackBits, top + BigInt((index * size) / 8)))
}
