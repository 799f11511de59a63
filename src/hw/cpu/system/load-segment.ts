/**
 * Loading ES, SS, DS, FS and GS (Intel SDM, "MOV—Move", "Loading Segment Registers"): from descriptors, or in real-address and
 * virtual-8086 mode as paragraphs.
 */

import { DS, ES, FS, GS, type SegmentIndex, SS } from '../../../isa/operands.ts'
import type { Engine } from '../engine.ts'
import { Fault, generalProtection, VECTOR } from '../faults.ts'
import { isRealStyle } from '../mode.ts'
import { cplOf, DATA16_RIGHTS, type Segment, UNUSABLE_RIGHTS } from '../registers.ts'
import {
  type Descriptor,
  dplOf,
  findDescriptor,
  isConforming,
  isNull,
  isPresent,
  isReadable,
  isSegment,
  isWritableData,
  markAccessed,
  readDescriptor,
  selectorCode,
} from './descriptor.ts'

/** Replaces a segment register. Whoever loads CS or SS takes over the mode afterwards (`engine.loadMode`). */
export function setSegment(engine: Engine, index: number, segment: Segment, base: bigint): void {
  engine.cpu.segments[index] = segment
  engine.registers.segmentBase[index] = base
}

/** The stack segment keeps its DPL, which is the CPL. */
export const nullSegment = (selector: number, dpl = 0): Segment => ({ selector, limit: 0, accessRights: UNUSABLE_RIGHTS | (dpl << 5) })

/** A descriptor as the segment register holds it, with its accessed bit. */
export const cached = (selector: number, { rights, limit }: Descriptor): Segment => ({ selector, limit, accessRights: rights | 1 })

export function loadDataSegment(engine: Engine, index: SegmentIndex, selector: number): void {
  if (isRealStyle(engine.mode)) loadParagraph(engine, index, selector)
  else if (index === SS) loadStackSegment(engine, selector, cplOf(engine.cpu))
  else if (isNull(selector)) setSegment(engine, index, nullSegment(selector), 0n)
  else loadDescriptor(engine, index, selector)
}

/** Limit and rights stay in real-address mode ("big real mode"); virtual-8086 mode has fixed ones. */
export function loadParagraph(engine: Engine, index: number, selector: number): void {
  const { limit, accessRights } = engine.cpu.segments[index]!
  const base = BigInt(selector << 4)
  if (engine.mode === 'virtual-8086') setSegment(engine, index, { selector, limit: 0xffff, accessRights: DATA16_RIGHTS | 0x60 }, base)
  else if ((accessRights & UNUSABLE_RIGHTS) !== 0) setSegment(engine, index, { selector, limit: 0xffff, accessRights: DATA16_RIGHTS }, base)
  else setSegment(engine, index, { selector, limit, accessRights }, base)
}

function loadDescriptor(engine: Engine, index: SegmentIndex, selector: number): void {
  const descriptor = readDescriptor(engine, selector)
  const { rights } = descriptor
  const dpl = dplOf(rights)
  if (!isSegment(rights) || !isReadable(rights)) throw generalProtection(selectorCode(selector))
  if (!isConforming(rights) && (cplOf(engine.cpu) > dpl || (selector & 3) > dpl)) throw generalProtection(selectorCode(selector))
  if (!isPresent(rights)) throw new Fault(VECTOR.NP, selectorCode(selector))
  markAccessed(engine, descriptor)
  setSegment(engine, index, cached(selector, descriptor), descriptor.base)
}

/** Null is a stack in 64-bit mode inside ring 3, with the RPL of the level. */
function loadStackSegment(engine: Engine, selector: number, cpl: number): void {
  if (isNull(selector)) {
    if (engine.mode !== '64-bit' || cpl === 3 || (selector & 3) !== cpl) throw generalProtection()
    setSegment(engine, SS, nullSegment(selector, cpl), 0n)
    return
  }
  const descriptor = readStackDescriptor(engine, selector, cpl, VECTOR.GP)
  markAccessed(engine, descriptor)
  setSegment(engine, SS, cached(selector, descriptor), descriptor.base)
  if (engine.bits !== 64) engine.loadMode()
}

/**
 * A writable data segment of exactly this privilege; what is wrong raises `vector` (#GP, or #TS for a stack out of a TSS), #SS if it
 * is only absent. `external` is the EXT bit of the error code.
 */
export function readStackDescriptor(engine: Engine, selector: number, privilege: number, vector: number, external = 0): Descriptor {
  const errorCode = selectorCode(selector) | external
  const descriptor = findDescriptor(engine, selector)
  if (descriptor === null) throw new Fault(vector, errorCode)
  const { rights } = descriptor
  if ((selector & 3) !== privilege || !isWritableData(rights) || dplOf(rights) !== privilege) throw new Fault(vector, errorCode)
  if (!isPresent(rights)) throw new Fault(VECTOR.SS, errorCode)
  return descriptor
}

/** Data segments that an outer level may not use become null. */
export function dropInnerSegments(engine: Engine, cpl: number): void {
  for (const index of [ES, DS, FS, GS]) {
    const { accessRights } = engine.cpu.segments[index]!
    if ((accessRights & UNUSABLE_RIGHTS) === 0 && !isConforming(accessRights) && dplOf(accessRights) < cpl)
      setSegment(engine, index, nullSegment(0), 0n)
  }
}
