/** Far JMP, CALL and RET (Intel SDM, their pages; "Call Gates"; "Stack Switching"), in every mode. */

import type { Instruction } from '../../../isa/instruction.ts'
import { CS, gpr, RSP, SS } from '../../../isa/operands.ts'
import type { Engine } from '../engine.ts'
import { generalProtection } from '../faults.ts'
import { isRealStyle } from '../mode.ts'
import { cplOf } from '../registers.ts'
import { type CodeTarget, enterCode, findTarget, isLongCode, readCodeDescriptor, requireInCode } from './code-transfer.ts'
import { dplOf, isConforming, markAccessed, selectorCode } from './descriptor.ts'
import { type FarPointer, farPointer } from './far-pointer.ts'
import { dropInnerSegments, loadParagraph, setSegment } from './load-segment.ts'
import { enterOuterStack, readOuterStack } from './outer-stack.ts'
import { presentStack, pushFrame, stackSlot } from './stack-frame.ts'
import { innerStack } from './task-state.ts'

/** Real-address and virtual-8086 mode: the offset must be within the limit that CS has. */
export function enterParagraph(engine: Engine, { selector, offset }: FarPointer): void {
  loadParagraph(engine, CS, selector)
  engine.target = offset
  engine.loadMode()
}

export function farJump(engine: Engine, i: Instruction): void {
  const pointer = farPointer(engine, i.dst, i.size)
  if (isRealStyle(engine.mode)) {
    engine.checkTarget(pointer.offset)
    return enterParagraph(engine, pointer)
  }
  const { descriptor, selector, offset } = findTarget(engine, pointer, i.size as 16 | 32 | 64, 'jump')
  requireInCode(engine, descriptor, offset)
  markAccessed(engine, descriptor)
  enterCode(engine, descriptor, selector, cplOf(engine.cpu), offset)
}

export function farCall(engine: Engine, i: Instruction): void {
  const pointer = farPointer(engine, i.dst, i.size)
  if (isRealStyle(engine.mode)) {
    engine.checkTarget(pointer.offset)
    pushOnPresent(engine, i.size as 16 | 32, false)
    return enterParagraph(engine, pointer)
  }
  const target = findTarget(engine, pointer, i.size as 16 | 32 | 64, 'call')
  const { descriptor, selector, offset, parameters } = target
  const dpl = dplOf(descriptor.rights)
  requireInCode(engine, descriptor, offset)
  if (parameters !== null && !isConforming(descriptor.rights) && dpl < cplOf(engine.cpu)) return callInward(engine, target, parameters)
  const cpl = cplOf(engine.cpu)
  pushOnPresent(engine, target.size, isLongCode(engine, descriptor.rights))
  markAccessed(engine, descriptor)
  enterCode(engine, descriptor, selector, cpl, offset)
}

const returnAddress = (engine: Engine): bigint[] => [BigInt(engine.cpu.segments[CS]!.selector), engine.following]

function pushOnPresent(engine: Engine, size: 16 | 32 | 64, flat: boolean): void {
  const stack = presentStack(engine, flat)
  engine.write(gpr(stack.width, RSP), pushFrame(engine, stack, size, returnAddress(engine)))
}

/** Through a gate to a more privileged level: its stack gets the caller's SS and stack pointer, and copies of the parameters. */
function callInward(engine: Engine, { descriptor, selector, offset, size }: CodeTarget, parameters: number): void {
  const privilege = dplOf(descriptor.rights)
  const stack = innerStack(engine, privilege, 0)
  const copies = size === 64 ? [] : Array.from({ length: parameters }, (_, index) => stackSlot(engine, size, parameters - 1 - index))
  const caller = [BigInt(engine.cpu.segments[SS]!.selector), engine.registers.gpr[RSP]!]
  const pointer = pushFrame(engine, stack, size, [...caller, ...copies, ...returnAddress(engine)])
  markAccessed(engine, descriptor)
  setSegment(engine, SS, stack.segment, stack.base)
  engine.write(gpr(stack.width, RSP), pointer)
  enterCode(engine, descriptor, selector, privilege, offset)
}

/** Returns to the same privilege level or to an outer one, whose stack pointer stands behind the parameters. */
export function farReturn(engine: Engine, i: Instruction): void {
  const { dst } = i
  const size = i.size as 16 | 32 | 64
  const released = dst.kind === 'immediate' ? Number(BigInt.asUintN(16, dst.value)) : 0
  const pointer = { offset: stackSlot(engine, size, 0), selector: Number(stackSlot(engine, size, 1) & 0xffffn) }
  const behind = BigInt((2 * size) / 8 + released)
  const stackPointer = gpr(engine.stackBits, RSP)
  const pastParameters = engine.add(engine.stackBits, engine.read(stackPointer), behind)
  if (isRealStyle(engine.mode)) {
    engine.checkTarget(pointer.offset)
    engine.write(stackPointer, pastParameters)
    return enterParagraph(engine, pointer)
  }
  const { offset, selector } = pointer
  const cpl = cplOf(engine.cpu)
  const privilege = selector & 3
  const descriptor = readReturnCode(engine, selector)
  requireInCode(engine, descriptor, offset)
  if (privilege === cpl) {
    markAccessed(engine, descriptor)
    engine.write(stackPointer, pastParameters)
    return enterCode(engine, descriptor, selector, privilege, offset)
  }
  const outer = readOuterStack(engine, size, behind, selector, descriptor)
  markAccessed(engine, descriptor)
  enterOuterStack(engine, outer, BigInt(released))
  enterCode(engine, descriptor, selector, privilege, offset)
  dropInnerSegments(engine, privilege)
}

/** The code segment that RET and IRET return to: at the level of its RPL, never an inner one. */
export function readReturnCode(engine: Engine, selector: number) {
  const privilege = selector & 3
  if ((selector & 0xfffc) !== 0 && privilege < cplOf(engine.cpu)) throw generalProtection(selectorCode(selector))
  return readCodeDescriptor(engine, selector, (dpl, conforming) => (conforming ? dpl <= privilege : dpl === privilege))
}
