/** The task-state segment: the stacks of the inner levels (Intel SDM, "Task-State Segment (TSS)"; "64-bit TSS"; "Stack Switching"). */

import type { Size } from '../../../base/u64.ts'
import type { Engine } from '../engine.ts'
import { Fault, VECTOR } from '../faults.ts'
import { isLongMode, widthOf } from '../mode.ts'
import { TR } from '../registers.ts'
import { isNull, selectorCode, tableAddress } from './descriptor.ts'
import { cached, nullSegment, readStackDescriptor } from './load-segment.ts'
import type { Stack } from './stack-frame.ts'

const SUPERVISOR = 0
/** Set in the types of a 32-bit TSS, clear in those of a 16-bit one. */
const WIDE_TSS = 8

/** A field of the TSS; `bytes` of it must lie within the limit, else #TS with TR's selector. */
function field(engine: Engine, offset: number, size: Size, bytes: number, external: number): bigint {
  const task = engine.cpu.segments[TR]!
  if (offset + bytes - 1 > task.limit) throw new Fault(VECTOR.TS, selectorCode(task.selector) | external)
  return engine.loadLinear(size, tableAddress(engine, engine.registers.segmentBase[TR]!, offset), SUPERVISOR)
}

/** An entry of the interrupt-stack table, 1 to 7, for a handler of this privilege. */
export const istStack = (engine: Engine, entry: number, privilege: number, external: number): Stack =>
  flatStack(field(engine, 28 + 8 * entry, 64, 8, external), privilege, external)

/** SS is null in the inner levels of IA-32e mode. */
const flatStack = (pointer: bigint, privilege: number, errorCode: number): Stack => ({
  segment: nullSegment(privilege, privilege),
  base: 0n,
  pointer,
  width: 64,
  privilege,
  errorCode,
})

/** The stack of a more privileged level; `external` is the EXT bit of error codes. */
export function innerStack(engine: Engine, privilege: number, external: number): Stack {
  if (isLongMode(engine.mode)) return flatStack(field(engine, 4 + 8 * privilege, 64, 8, external), privilege, external)
  const wide = (engine.cpu.segments[TR]!.accessRights & WIDE_TSS) !== 0
  const at = wide ? 4 + 8 * privilege : 2 + 4 * privilege
  const pointer = field(engine, at, wide ? 32 : 16, wide ? 6 : 4, external)
  const selector = Number(field(engine, wide ? at + 4 : at + 2, 16, 2, external))
  if (isNull(selector)) throw new Fault(VECTOR.TS, external)
  const descriptor = readStackDescriptor(engine, selector, privilege, VECTOR.TS, external)
  return {
    segment: cached(selector, descriptor),
    base: descriptor.base,
    pointer,
    width: widthOf(descriptor.rights),
    privilege,
    errorCode: selectorCode(selector) | external,
  }
}
