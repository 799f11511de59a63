/** GDTR, IDTR, LDTR and TR (Intel SDM, "LGDT/LIDT", "SGDT", "SIDT", "LLDT", "LTR", "SLDT", "STR"). */

import type { Size } from '../../../base/u64.ts'
import type { Instruction } from '../../../isa/instruction.ts'
import type { MemoryOperand } from '../../../isa/operands.ts'
import { isCanonical } from '../../../spec/address-width.ts'
import type { Engine } from '../engine.ts'
import { Fault, generalProtection, undefinedOpcode, VECTOR } from '../faults.ts'
import { isLongMode, isRealStyle } from '../mode.ts'
import { type DescriptorTable, LDTR, TR } from '../registers.ts'
import { type Descriptor, isNull, isPresent, readDescriptor, SYSTEM_TYPE, selectorCode, systemBase } from './descriptor.ts'
import { cached, nullSegment, setSegment } from './load-segment.ts'
import { requireRing0, requireRing0UnderUmip } from './privilege.ts'

const SUPERVISOR = 0
const TSS_BUSY_BIT = 1n << 41n

/** A limit of 16 bits, then a base of 64 bits in 64-bit mode, else of 32, of which a 16-bit operand size takes 24. */
function loadTable(engine: Engine, i: Instruction): DescriptorTable {
  requireRing0(engine)
  const { segment, addressSize } = i.dst as MemoryOperand
  const offset = engine.address(i.dst)
  const limit = Number(engine.load(16, segment, offset))
  const base = engine.load(baseWidth(engine), segment, engine.add(addressSize, offset, 2n))
  if (engine.bits === 64 && !isCanonical(base, engine.linearBits)) throw generalProtection()
  return { base: engine.bits !== 64 && i.size === 16 ? BigInt.asUintN(24, base) : base, limit }
}

const baseWidth = (engine: Engine): Size => (engine.bits === 64 ? 64 : 32)

export function lgdt(engine: Engine, i: Instruction): void {
  engine.cpu.gdtr = loadTable(engine, i)
}

export function lidt(engine: Engine, i: Instruction): void {
  engine.cpu.idtr = loadTable(engine, i)
}

/** All 32 bits of the base whatever the operand size, as processors have done since the 80386. */
function storeTable(engine: Engine, i: Instruction, { base, limit }: DescriptorTable): void {
  requireRing0UnderUmip(engine)
  const { segment, addressSize } = i.dst as MemoryOperand
  const width = baseWidth(engine)
  const offset = engine.address(i.dst)
  const behind = engine.add(addressSize, offset, 2n)
  engine.touch(16, segment, offset)
  engine.touch(width, segment, behind)
  engine.store(16, segment, offset, BigInt(limit))
  engine.store(width, segment, behind, engine.zeroExtend(width, base))
}

export const sgdt = (engine: Engine, i: Instruction): void => storeTable(engine, i, engine.cpu.gdtr)
export const sidt = (engine: Engine, i: Instruction): void => storeTable(engine, i, engine.cpu.idtr)

/** LDT and TSS do not exist where there are no descriptors. */
function requireDescriptors(engine: Engine): void {
  if (isRealStyle(engine.mode)) throw undefinedOpcode()
}

const storeSelector = (engine: Engine, i: Instruction, index: number): void => {
  requireDescriptors(engine)
  requireRing0UnderUmip(engine)
  const { size } = i.dst as { size: Size }
  engine.write(i.dst, engine.zeroExtend(size, BigInt(engine.cpu.segments[index]!.selector)))
}

export const sldt = (engine: Engine, i: Instruction): void => storeSelector(engine, i, LDTR)
export const str = (engine: Engine, i: Instruction): void => storeSelector(engine, i, TR)

/** A present descriptor of one of these types, in the GDT. */
function readSystemDescriptor(engine: Engine, selector: number, types: readonly number[]): Descriptor {
  if ((selector & 4) !== 0) throw generalProtection(selectorCode(selector))
  const descriptor = readDescriptor(engine, selector)
  if (!types.includes(descriptor.rights & 0x1f)) throw generalProtection(selectorCode(selector))
  if (!isPresent(descriptor.rights)) throw new Fault(VECTOR.NP, selectorCode(selector))
  return descriptor
}

const BUSY = 2

export function ltr(engine: Engine, i: Instruction): void {
  requireDescriptors(engine)
  requireRing0(engine)
  const selector = Number(engine.read(i.dst) & 0xffffn)
  if (isNull(selector)) throw generalProtection()
  const types = isLongMode(engine.mode) ? [SYSTEM_TYPE.tss] : [SYSTEM_TYPE.tss, SYSTEM_TYPE.tss16]
  const descriptor = readSystemDescriptor(engine, selector, types)
  const base = systemBase(engine, descriptor, selector)
  engine.storeLinear(64, descriptor.at, descriptor.low | TSS_BUSY_BIT, SUPERVISOR)
  setSegment(engine, TR, { selector, limit: descriptor.limit, accessRights: descriptor.rights | BUSY }, base)
}

export function lldt(engine: Engine, i: Instruction): void {
  requireDescriptors(engine)
  requireRing0(engine)
  const selector = Number(engine.read(i.dst) & 0xffffn)
  if (isNull(selector)) {
    engine.cpu.segments[LDTR] = nullSegment(selector)
    return
  }
  const descriptor = readSystemDescriptor(engine, selector, [SYSTEM_TYPE.ldt])
  const base = systemBase(engine, descriptor, selector)
  setSegment(engine, LDTR, { ...cached(selector, descriptor), accessRights: descriptor.rights }, base)
}
