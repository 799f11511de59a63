/**
 * Descriptors in the GDT and the LDT (Intel SDM, "Segment Descriptors"; "System Descriptor Types"), and what their rights say.
 *
 *     63     56 55   52 51   48 47       40 39            16 15          0
 *     | base   | flags | limit | rights    | base           | limit      |      8 more bytes for system descriptors in IA-32e mode
 */

import { shiftRight } from '../../../base/u64.ts'
import { isCanonical } from '../../../spec/address-width.ts'
import type { Engine } from '../engine.ts'
import { generalProtection } from '../faults.ts'
import { isLongMode } from '../mode.ts'
import { LDTR, UNUSABLE_RIGHTS } from '../registers.ts'
import { wrapped } from '../segmentation.ts'

const SUPERVISOR = 0
const ACCESSED = 1n << 40n

export interface Descriptor {
  /** The first 8 bytes. */
  readonly low: bigint
  /** Linear address. */
  readonly at: bigint
  /** As the VMCS has access rights. */
  readonly rights: number
  readonly limit: number
  /** Bits 31:0 of the base. */
  readonly base: bigint
}

/** Types of system descriptors; the TSS types are those of 32 bits, in IA-32e mode of 64. */
export const SYSTEM_TYPE = {
  tss16: 0x1,
  ldt: 0x2,
  busyTss16: 0x3,
  callGate16: 0x4,
  taskGate: 0x5,
  tss: 0x9,
  busyTss: 0xb,
  callGate: 0xc,
} as const

export const dplOf = (rights: number): number => (rights >> 5) & 3
export const isPresent = (rights: number): boolean => (rights & 0x80) !== 0
/** Of code or data, not of the system. */
export const isSegment = (rights: number): boolean => (rights & 0x10) !== 0
export const isCode = (rights: number): boolean => (rights & 0x18) === 0x18
export const isConforming = (rights: number): boolean => (rights & 0x1c) === 0x1c
export const isWritableData = (rights: number): boolean => (rights & 0x1a) === 0x12
export const isReadable = (rights: number): boolean => (rights & 0x18) === 0x10 || (rights & 0x1a) === 0x1a

export const isNull = (selector: number): boolean => (selector & 0xfffc) === 0
/** A selector as an error code has it. */
export const selectorCode = (selector: number): number => selector & 0xfffc

/** Where the CPU itself reads its tables: linear addresses wrap at 4 GBytes outside 64-bit mode. */
export function tableAddress(engine: Engine, base: bigint, offset: number): bigint {
  const address = base + BigInt(offset)
  return isLongMode(engine.mode) ? BigInt.asUintN(64, address) : wrapped(address)
}

/** The descriptor that a non-null selector names; beyond the table, #GP. */
export function readDescriptor(engine: Engine, selector: number): Descriptor {
  const descriptor = findDescriptor(engine, selector)
  if (descriptor === null) throw generalProtection(selectorCode(selector))
  return descriptor
}

/** Null for a selector beyond its table. */
export function findDescriptor(engine: Engine, selector: number): Descriptor | null {
  const { gdtr, segments } = engine.cpu
  const isLocal = (selector & 4) !== 0
  const tableLimit = isLocal ? segments[LDTR]!.limit : gdtr.limit
  const usable = !isLocal || (segments[LDTR]!.accessRights & UNUSABLE_RIGHTS) === 0
  if (!usable || (selector | 7) > tableLimit) return null
  const at = tableAddress(engine, isLocal ? engine.registers.segmentBase[LDTR]! : gdtr.base, selector & 0xfff8)
  const low = engine.loadLinear(64, at, SUPERVISOR)
  const rights = Number(shiftRight(low, 40) & 0xf0ffn)
  const rawLimit = Number((low & 0xffffn) | (shiftRight(low, 32) & 0xf0000n))
  const limit = (rights & 0x8000) !== 0 ? rawLimit * 4096 + 4095 : rawLimit
  return { low, at, rights, limit, base: (shiftRight(low, 16) & 0xff_ffffn) | (shiftRight(low, 32) & 0xff00_0000n) }
}

export function markAccessed(engine: Engine, { low, at, rights }: Descriptor): void {
  if ((rights & 1) === 0) engine.storeLinear(64, at, low | ACCESSED, SUPERVISOR)
}

/** The second 8 bytes of a descriptor in IA-32e mode; #GP where the table ends before them. */
export function readUpperHalf(engine: Engine, at: bigint, selector: number): bigint {
  if ((selector & 4) === 0 && (selector | 7) + 8 > engine.cpu.gdtr.limit) throw generalProtection(selectorCode(selector))
  return engine.loadLinear(64, BigInt.asUintN(64, at + 8n), SUPERVISOR)
}

/** The base of a system segment: in IA-32e mode bits 63:32 stand in the second half. */
export function systemBase(engine: Engine, descriptor: Descriptor, selector: number): bigint {
  if (!isLongMode(engine.mode)) return descriptor.base
  const base = descriptor.base | ((readUpperHalf(engine, descriptor.at, selector) & 0xffff_ffffn) << 32n)
  if (!isCanonical(base, engine.linearBits)) throw generalProtection(selectorCode(selector))
  return base
}
