/**
 * Entering a code segment (Intel SDM, "Privilege Level Checking When Transferring Program Control Between Code Segments"): directly
 * or through a call gate.
 *
 *     call gate:  15:0 offset, 31:16 selector, 36:32 parameters, 43:40 type, 46:45 DPL, 47 P, 63:48 offset
 *     IA-32e mode:  ... 95:64 offset, 108:104 zero
 */

import { bitField, shiftRight } from '../../../base/u64.ts'
import { CS } from '../../../isa/operands.ts'
import { isCanonical } from '../../../spec/address-width.ts'
import type { Engine } from '../engine.ts'
import { Fault, generalProtection, VECTOR } from '../faults.ts'
import { BIG, isLongMode, LONG } from '../mode.ts'
import { cplOf } from '../registers.ts'
import {
  type Descriptor,
  dplOf,
  isCode,
  isConforming,
  isNull,
  isPresent,
  isSegment,
  readDescriptor,
  readUpperHalf,
  SYSTEM_TYPE,
  selectorCode,
} from './descriptor.ts'
import type { FarPointer } from './far-pointer.ts'
import { cached, setSegment } from './load-segment.ts'
import { taskSwitch } from './task-switch.ts'

/** Where a far JMP or CALL goes. */
export interface CodeTarget {
  readonly selector: number
  readonly descriptor: Descriptor
  readonly offset: bigint
  /** Of the pushes: the operand size, or that of the gate. */
  readonly size: 16 | 32 | 64
  /** Of a call gate: the values to copy from the caller's stack; null without a gate. */
  readonly parameters: number | null
}

/** Whether the segment is 64-bit code, in IA-32e mode. */
export const isLongCode = (engine: Engine, rights: number): boolean => isLongMode(engine.mode) && (rights & LONG) !== 0

/** In IA-32e mode a code segment has not both L and D. */
const isValidCode = (engine: Engine, rights: number): boolean =>
  isCode(rights) && !(isLongMode(engine.mode) && (rights & (LONG | BIG)) === (LONG | BIG))

/** A present code segment of a fitting privilege: else #GP, or #NP if it is only absent. */
export function readCodeDescriptor(engine: Engine, selector: number, fits: (dpl: number, conforming: boolean) => boolean): Descriptor {
  if (isNull(selector)) throw generalProtection()
  const descriptor = readDescriptor(engine, selector)
  const { rights } = descriptor
  if (!isValidCode(engine, rights) || !fits(dplOf(rights), isConforming(rights))) throw generalProtection(selectorCode(selector))
  if (!isPresent(rights)) throw new Fault(VECTOR.NP, selectorCode(selector))
  return descriptor
}

/** What a far pointer means to JMP and CALL in protected and IA-32e mode. */
export function findTarget(engine: Engine, { selector, offset }: FarPointer, size: 16 | 32 | 64, by: 'jump' | 'call'): CodeTarget {
  if (isNull(selector)) throw generalProtection()
  const named = readDescriptor(engine, selector)
  if (!isSegment(named.rights)) return throughSystemDescriptor(engine, selector, named, by)
  const cpl = cplOf(engine.cpu)
  const descriptor = readCodeDescriptor(engine, selector, (dpl, conforming) =>
    conforming ? dpl <= cpl : dpl === cpl && (selector & 3) <= cpl,
  )
  return { selector, descriptor, offset, size, parameters: null }
}

function throughSystemDescriptor(engine: Engine, selector: number, named: Descriptor, by: 'jump' | 'call'): CodeTarget {
  const { rights } = named
  const type = rights & 0xf
  const long = isLongMode(engine.mode)
  const isGate = type === SYSTEM_TYPE.callGate || (!long && type === SYSTEM_TYPE.callGate16)
  const isTask = !long && (type === SYSTEM_TYPE.taskGate || type === SYSTEM_TYPE.tss || type === SYSTEM_TYPE.tss16)
  if (!isGate && !isTask) throw generalProtection(selectorCode(selector))
  if (dplOf(rights) < cplOf(engine.cpu) || dplOf(rights) < (selector & 3)) throw generalProtection(selectorCode(selector))
  if (!isPresent(rights)) throw new Fault(VECTOR.NP, selectorCode(selector))
  if (isTask) taskSwitch(engine, by, type === SYSTEM_TYPE.taskGate ? bitField(named.low, 16, 16) : selector)
  return throughGate(engine, selector, named, by)
}

const GATE_UPPER_TYPE = 0x1f00n << 32n

function throughGate(engine: Engine, gateSelector: number, { low, rights, at }: Descriptor, by: 'jump' | 'call'): CodeTarget {
  const long = isLongMode(engine.mode)
  const wide = (rights & 8) !== 0
  const upper = long ? readUpperHalf(engine, at, gateSelector) : 0n
  if ((upper & GATE_UPPER_TYPE) !== 0n) throw generalProtection(selectorCode(gateSelector))
  const offset = (low & 0xffffn) | (wide ? shiftRight(low, 32) & 0xffff_0000n : 0n) | ((upper & 0xffff_ffffn) << 32n)
  const selector = bitField(low, 16, 16)
  const cpl = cplOf(engine.cpu)
  const descriptor = readCodeDescriptor(engine, selector, (dpl, conforming) => (conforming || by === 'call' ? dpl <= cpl : dpl === cpl))
  if (long && !isLongCode(engine, descriptor.rights)) throw generalProtection(selectorCode(selector))
  return { selector, descriptor, offset, size: long ? 64 : wide ? 32 : 16, parameters: bitField(low, 32, 5) }
}

/** #GP for a place outside the segment; 64-bit code may be anywhere that is canonical. */
export function requireInCode(engine: Engine, { rights, limit }: Descriptor, offset: bigint): void {
  if (isLongCode(engine, rights) ? !isCanonical(offset, engine.linearBits) : offset > BigInt(limit)) throw generalProtection()
}

/** Loads CS and goes there, at a privilege level. The checks are done. */
export function enterCode(engine: Engine, descriptor: Descriptor, selector: number, privilege: number, offset: bigint): void {
  const segment = cached((selector & ~3) | privilege, descriptor)
  setSegment(engine, CS, segment, descriptor.base)
  engine.target = offset
  engine.reloadAddressSpace()
}
