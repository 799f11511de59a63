/** The stack of an outer privilege level that RET and IRET return to: its pointer and selector lie on the present stack. */

import { type Size, unsigned } from '../../../base/u64.ts'
import { gpr, RSP, SS } from '../../../isa/operands.ts'
import type { Engine } from '../engine.ts'
import { generalProtection, VECTOR } from '../faults.ts'
import { type Width, widthOf } from '../mode.ts'
import type { Segment } from '../registers.ts'
import { isLongCode } from './code-transfer.ts'
import { type Descriptor, isNull, markAccessed } from './descriptor.ts'
import { cached, nullSegment, readStackDescriptor, setSegment } from './load-segment.ts'

export interface OuterStack {
  readonly segment: Segment
  readonly base: bigint
  readonly pointer: bigint
  readonly width: Width
}

/** `behind` bytes above the stack pointer lie the outer pointer and the outer SS, for code that returns to `codeSelector`. */
export function readOuterStack(engine: Engine, size: Size, behind: bigint, codeSelector: number, code: Descriptor): OuterStack {
  const top = engine.registers.gpr[RSP]!
  const at = (offset: bigint): bigint => engine.load(size, SS, unsigned(engine.stackBits, top + offset))
  const pointer = at(behind)
  const selector = Number(at(behind + BigInt(size / 8)) & 0xffffn)
  const privilege = codeSelector & 3
  const toLong = isLongCode(engine, code.rights)
  if (isNull(selector)) {
    if (!toLong || privilege === 3 || (selector & 3) !== privilege) throw generalProtection()
    return { segment: nullSegment(selector, privilege), base: 0n, pointer, width: 64 }
  }
  const descriptor = readStackDescriptor(engine, selector, privilege, VECTOR.GP)
  markAccessed(engine, descriptor)
  return { segment: cached(selector, descriptor), base: descriptor.base, pointer, width: toLong ? 64 : widthOf(descriptor.rights) }
}

/** Loads SS and the stack pointer, moved over parameters that the caller had pushed. */
export function enterOuterStack(engine: Engine, { segment, base, pointer, width }: OuterStack, released: bigint): void {
  setSegment(engine, SS, segment, base)
  engine.write(gpr(width, RSP), unsigned(width, pointer + released))
}
