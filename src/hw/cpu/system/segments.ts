/** Segment registers and descriptor tables in 64-bit mode (Intel SDM, "MOV"; "LGDT/LIDT"; "LTR"; "LLDT"). */

import { shiftRight } from '../../../base/u64.ts'
import type { Instruction } from '../../../isa/instruction.ts'
import type { MemoryOperand, SpecialOperand } from '../../../isa/operands.ts'
import { isCanonical } from '../../../spec/address-width.ts'
import type { Engine } from '../engine.ts'
import { Fault, generalProtection, VECTOR } from '../faults.ts'
import { cplOf, LDTR, type Segment, TR, UNUSABLE_RIGHTS } from '../registers.ts'
import { requireRing0 } from './privilege.ts'

const SUPERVISOR = 0
const SS = 2

export interface Descriptor {
  readonly low: bigint
  readonly at: bigint
  /** As the VMCS has access rights. */
  readonly rights: number
  readonly limit: number
  readonly base: bigint
}

/** The descriptor that a non-null selector names; beyond the table, #GP. */
export function readDescriptor(engine: Engine, selector: number): Descriptor {
  const descriptor = findDescriptor(engine, selector)
  if (descriptor === null) throw generalProtection(selector & 0xfffc)
  return descriptor
}

/** Null for a selector beyond its table. */
export function findDescriptor(engine: Engine, selector: number): Descriptor | null {
  const { gdtr, segments } = engine.cpu
  const isLocal = (selector & 4) !== 0
  const tableLimit = isLocal ? segments[LDTR]!.limit : gdtr.limit
  const usable = !isLocal || (segments[LDTR]!.accessRights & UNUSABLE_RIGHTS) === 0
  if (!usable || (selector | 7) > tableLimit) return null
  const base = isLocal ? engine.registers.segmentBase[LDTR]! : gdtr.base
  const at = BigInt.asUintN(64, base + BigInt(selector & 0xfff8))
  const low = engine.loadLinear(64, at, SUPERVISOR)
  const rights = Number(shiftRight(low, 40) & 0xf0ffn)
  const rawLimit = Number((low & 0xffffn) | (shiftRight(low, 32) & 0xf0000n))
  const limit = (rights & 0x8000) !== 0 ? rawLimit * 4096 + 4095 : rawLimit
  return { low, at, rights, limit, base: (shiftRight(low, 16) & 0xff_ffffn) | (shiftRight(low, 32) & 0xff00_0000n) }
}

export const dplOf = (rights: number): number => (rights >> 5) & 3

const nullSegment = (selector: number): Segment => ({ selector, limit: 0, accessRights: UNUSABLE_RIGHTS })

export function movToSegment(engine: Engine, i: Instruction): void {
  const { index } = i.dst as SpecialOperand
  loadDataSegment(engine, index, Number(engine.read(i.src) & 0xffffn))
  if (index === SS) {
    engine.cpu.movSsBlocking = true
    engine.beganBlocking = true
    engine.attention = true
  }
}

/** CS cannot be loaded by MOV. A null SS is allowed in 64-bit mode below ring 3. */
export function loadDataSegment(engine: Engine, index: number, selector: number): void {
  const { cpu, registers } = engine
  if (index === 1) throw new Fault(VECTOR.UD, null)
  const cpl = cplOf(cpu)
  if ((selector & 0xfffc) === 0) {
    if (index === SS && (cpl === 3 || (selector & 3) !== cpl)) throw generalProtection()
    cpu.segments[index] = index === SS ? { selector, limit: 0, accessRights: UNUSABLE_RIGHTS | 0x93 | (cpl << 5) } : nullSegment(selector)
    registers.segmentBase[index] = 0n
    return
  }
  const descriptor = readDescriptor(engine, selector)
  const { rights } = descriptor
  const code = selector & 0xfffc
  const isData = (rights & 0x18) === 0x10
  const isWritable = isData && (rights & 2) !== 0
  const isReadableCode = (rights & 0x1a) === 0x1a
  const dpl = dplOf(rights)
  if (index === SS ? !isWritable || dpl !== cpl || (selector & 3) !== cpl : !isData && !isReadableCode) throw generalProtection(code)
  const isConforming = (rights & 0x1c) === 0x1c
  if (index !== SS && !isConforming && (cpl > dpl || (selector & 3) > dpl)) throw generalProtection(code)
  if ((rights & 0x80) === 0) throw new Fault(index === SS ? VECTOR.SS : VECTOR.NP, code)
  markAccessed(engine, descriptor)
  cpu.segments[index] = { selector, limit: descriptor.limit, accessRights: rights | 1 }
  registers.segmentBase[index] = descriptor.base
}

export function markAccessed(engine: Engine, { low, at, rights }: Descriptor): void {
  if ((rights & 1) === 0) engine.storeLinear(64, at, low | (1n << 40n), SUPERVISOR)
}

/** LGDT and LIDT: a 16-bit limit, then a 64-bit base. */
function loadTable(engine: Engine, i: Instruction): { base: bigint; limit: number } {
  requireRing0(engine)
  const operand = i.dst as MemoryOperand
  const offset = engine.address(operand)
  const limit = Number(engine.load(16, operand.segment, offset))
  const base = engine.load(64, operand.segment, BigInt.asUintN(64, offset + 2n))
  if (!isCanonical(base)) throw generalProtection()
  return { base, limit }
}

export function lgdt(engine: Engine, i: Instruction): void {
  engine.cpu.gdtr = loadTable(engine, i)
}

export function lidt(engine: Engine, i: Instruction): void {
  engine.cpu.idtr = loadTable(engine, i)
}

function storeTable(engine: Engine, i: Instruction, table: { base: bigint; limit: number }): void {
  const operand = i.dst as MemoryOperand
  const offset = engine.address(operand)
  engine.touch(64, operand.segment, BigInt.asUintN(64, offset + 2n))
  engine.store(16, operand.segment, offset, BigInt(table.limit))
  engine.store(64, operand.segment, BigInt.asUintN(64, offset + 2n), table.base)
}

export const sgdt = (engine: Engine, i: Instruction): void => storeTable(engine, i, engine.cpu.gdtr)
export const sidt = (engine: Engine, i: Instruction): void => storeTable(engine, i, engine.cpu.idtr)

const storeSelector = (engine: Engine, i: Instruction, index: number): void => {
  const { size } = i.dst as { size: 16 | 32 | 64 }
  engine.write(i.dst, engine.zeroExtend(size, BigInt(engine.cpu.segments[index]!.selector)))
}

export const sldt = (engine: Engine, i: Instruction): void => storeSelector(engine, i, LDTR)
export const str = (engine: Engine, i: Instruction): void => storeSelector(engine, i, TR)

/** A 16-byte system descriptor: bits 63:32 of the base stand in the second half. */
function systemBase(engine: Engine, descriptor: Descriptor, selector: number): bigint {
  if ((selector | 7) + 8 > engine.cpu.gdtr.limit) throw generalProtection(selector & 0xfffc)
  const base = descriptor.base | ((engine.loadLinear(64, BigInt.asUintN(64, descriptor.at + 8n), SUPERVISOR) & 0xffff_ffffn) << 32n)
  if (!isCanonical(base)) throw generalProtection(selector & 0xfffc)
  return base
}

const AVAILABLE_TSS = 0x9
const LDT = 0x2
const TSS_BUSY_BIT = 1n << 41n

export function ltr(engine: Engine, i: Instruction): void {
  requireRing0(engine)
  const selector = Number(engine.read(i.dst) & 0xffffn)
  if ((selector & 0xfffc) === 0 || (selector & 4) !== 0) throw generalProtection(selector & 0xfffc)
  const descriptor = readDescriptor(engine, selector)
  if ((descriptor.rights & 0x1f) !== AVAILABLE_TSS) throw generalProtection(selector & 0xfffc)
  if ((descriptor.rights & 0x80) === 0) throw new Fault(VECTOR.NP, selector & 0xfffc)
  const base = systemBase(engine, descriptor, selector)
  engine.storeLinear(64, descriptor.at, descriptor.low | TSS_BUSY_BIT, SUPERVISOR)
  engine.cpu.segments[TR] = { selector, limit: descriptor.limit, accessRights: descriptor.rights | 2 }
  engine.registers.segmentBase[TR] = base
}

export function lldt(engine: Engine, i: Instruction): void {
  requireRing0(engine)
  const selector = Number(engine.read(i.dst) & 0xffffn)
  if ((selector & 0xfffc) === 0) {
    engine.cpu.segments[LDTR] = nullSegment(selector)
    return
  }
  if ((selector & 4) !== 0) throw generalProtection(selector & 0xfffc)
  const descriptor = readDescriptor(engine, selector)
  if ((descriptor.rights & 0x1f) !== LDT) throw generalProtection(selector & 0xfffc)
  if ((descriptor.rights & 0x80) === 0) throw new Fault(VECTOR.NP, selector & 0xfffc)
  engine.registers.segmentBase[LDTR] = systemBase(engine, descriptor, selector)
  engine.cpu.segments[LDTR] = { selector, limit: descriptor.limit, accessRights: descriptor.rights }
}

export function swapgs(engine: Engine): void {
  requireRing0(engine)
  const KERNEL_GS_BASE = 0xc000_0102
  const { msrs } = engine.cpu
  const { segmentBase } = engine.registers
  const kernel = msrs[KERNEL_GS_BASE] ?? 0n
  msrs[KERNEL_GS_BASE] = segmentBase[5]!
  segmentBase[5] = kernel
}

/** The address must be one that could be translated; there is nothing stale to drop. */
export function invlpg(engine: Engine): void {
  requireRing0(engine)
}
