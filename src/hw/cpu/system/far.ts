/**
 * Far transfers within 64-bit mode (Intel SDM, "Control Transfer Terminology"; "JMP", "CALL", "RET"), and segment registers loaded
 * from the stack and from far pointers. Call gates, task switches and transfers to 16- and 32-bit code segments are refused with #GP.
 */

import { assert } from '../../../base/assert.ts'
import { type Size, unsigned } from '../../../base/u64.ts'
import type { Instruction } from '../../../isa/instruction.ts'
import type { Operand } from '../../../isa/operands.ts'
import { isCanonical } from '../../../spec/address-width.ts'
import type { Engine } from '../engine.ts'
import { Fault, generalProtection, VECTOR } from '../faults.ts'
import { cplOf, UNUSABLE_RIGHTS } from '../registers.ts'
import { stackSegment } from './interrupts.ts'
import { type Descriptor, dplOf, loadDataSegment, markAccessed, readDescriptor } from './segments.ts'

const CS = 1
const SS = 2
const RSP = 4

interface FarPointer {
  readonly selector: number
  readonly offset: bigint
}

/** In memory the offset comes first, as wide as the operand size. */
function farPointer(engine: Engine, operand: Operand, size: Size): FarPointer {
  if (operand.kind === 'far') return operand
  assert(operand.kind === 'memory', 'a far pointer is an immediate or lies in memory')
  const at = engine.address(operand)
  const offset = engine.load(size, operand.segment, at)
  const behind = engine.add(operand.addressSize, at, BigInt(size / 8))
  return { offset, selector: Number(engine.load(16, operand.segment, behind)) }
}

const isLongCode = (rights: number): boolean => (rights & 0x18) === 0x18 && (rights & 0x6000) === 0x2000
const isConforming = (rights: number): boolean => (rights & 4) !== 0

/** A code segment that a jump or call at the present privilege may enter. */
function enterableCode(engine: Engine, selector: number): Descriptor {
  if ((selector & 0xfffc) === 0) throw generalProtection()
  const code = readDescriptor(engine, selector)
  const { rights } = code
  const cpl = cplOf(engine.cpu)
  const dpl = dplOf(rights)
  const fits = isConforming(rights) ? dpl <= cpl : dpl === cpl && (selector & 3) <= cpl
  if (!isLongCode(rights) || !fits) throw generalProtection(selector & 0xfffc)
  if ((rights & 0x80) === 0) throw new Fault(VECTOR.NP, selector & 0xfffc)
  return code
}

function enterCode(engine: Engine, code: Descriptor, selector: number, offset: bigint): void {
  markAccessed(engine, code)
  engine.cpu.segments[CS] = { selector, limit: code.limit, accessRights: code.rights | 1 }
  engine.registers.segmentBase[CS] = 0n
  engine.target = offset
  engine.reloadAddressSpace()
}

function requireCanonical(offset: bigint): void {
  if (!isCanonical(offset)) throw generalProtection()
}

const withCpl = (engine: Engine, selector: number): number => (selector & ~3) | cplOf(engine.cpu)

export function farJump(engine: Engine, i: Instruction): void {
  const { selector, offset } = farPointer(engine, i.dst, i.size)
  const code = enterableCode(engine, selector)
  requireCanonical(offset)
  enterCode(engine, code, withCpl(engine, selector), offset)
}

export function farCall(engine: Engine, i: Instruction): void {
  const { size, stackSize } = i
  const { selector, offset } = farPointer(engine, i.dst, size)
  const code = enterableCode(engine, selector)
  requireCanonical(offset)
  const { gpr } = engine.registers
  const bytes = BigInt(size / 8)
  const first = engine.sub(stackSize, gpr[RSP]!, bytes)
  const second = engine.sub(stackSize, first, bytes)
  engine.touch(size, SS, first)
  engine.touch(size, SS, second)
  engine.store(size, SS, first, BigInt(engine.cpu.segments[CS]!.selector))
  engine.store(size, SS, second, unsigned(size, engine.following))
  gpr[RSP] = second
  enterCode(engine, code, withCpl(engine, selector), offset)
}

/** Returns to the same privilege level or to an outer one, whose stack pointer stands behind the parameters. */
export function farReturn(engine: Engine, i: Instruction): void {
  const { size, stackSize, dst } = i
  const { registers, cpu } = engine
  const bytes = BigInt(size / 8)
  const from = registers.gpr[RSP]!
  const at = (offset: bigint): bigint => engine.add(stackSize, from, offset)
  const offset = engine.load(size, SS, from)
  const selector = Number(engine.load(size, SS, at(bytes)) & 0xffffn)
  const parameters = dst.kind === 'immediate' ? BigInt.asUintN(16, dst.value) : 0n
  const cpl = cplOf(cpu)
  const newCpl = selector & 3
  if ((selector & 0xfffc) === 0) throw generalProtection()
  const code = readDescriptor(engine, selector)
  const dpl = dplOf(code.rights)
  const fits = isConforming(code.rights) ? dpl <= newCpl : dpl === newCpl
  if (!isLongCode(code.rights) || newCpl < cpl || !fits) throw generalProtection(selector & 0xfffc)
  if ((code.rights & 0x80) === 0) throw new Fault(VECTOR.NP, selector & 0xfffc)
  requireCanonical(offset)
  const behind = 2n * bytes + parameters
  if (newCpl === cpl) {
    registers.gpr[RSP] = at(behind)
    return enterCode(engine, code, selector, offset)
  }
  const stackPointer = engine.load(size, SS, at(behind))
  const stack = stackSegment(engine, Number(engine.load(size, SS, at(behind + bytes)) & 0xffffn), newCpl)
  cpu.segments[SS] = stack
  registers.gpr[RSP] = engine.add(stackSize, stackPointer, parameters)
  enterCode(engine, code, selector, offset)
  dropInnerSegments(engine, newCpl)
}

/** Data segments that the outer level may not use become null. */
function dropInnerSegments(engine: Engine, cpl: number): void {
  for (const index of [0, 3, 4, 5]) {
    const { accessRights } = engine.cpu.segments[index]!
    const isShared = (accessRights & 0x1c) === 0x1c
    if ((accessRights & UNUSABLE_RIGHTS) !== 0 || isShared || dplOf(accessRights) >= cpl) continue
    engine.cpu.segments[index] = { selector: 0, limit: 0, accessRights: UNUSABLE_RIGHTS }
    engine.registers.segmentBase[index] = 0n
  }
}

/** POP ES .. GS: the stack pointer moves only when the segment is loaded; SS blocks events for one instruction. */
export function popToSegment(engine: Engine, i: Instruction): void {
  const { gpr } = engine.registers
  const { size, stackSize, dst } = i
  assert(dst.kind === 'segment', 'POP to a segment register')
  const selector = Number(engine.load(size, SS, gpr[RSP]!) & 0xffffn)
  const next = engine.add(stackSize, gpr[RSP]!, BigInt(size / 8))
  loadDataSegment(engine, dst.index, selector)
  gpr[RSP] = next
  if (dst.index !== SS) return
  engine.cpu.movSsBlocking = true
  engine.beganBlocking = true
  engine.attention = true
}

const SEGMENT_OF: Readonly<Record<string, number>> = { LES: 0, LSS: 2, LDS: 3, LFS: 4, LGS: 5 }

export function loadFarPointer(engine: Engine, i: Instruction): void {
  const { selector, offset } = farPointer(engine, i.src, i.size)
  loadDataSegment(engine, SEGMENT_OF[i.row.mnemonic]!, selector)
  engine.write(i.dst, offset)
}
