/** IRET in every mode (Intel SDM, "IRET/IRETD/IRETQ"): to the same privilege level, to an outer one, to virtual-8086 mode. */

import type { Instruction } from '../../../isa/instruction.ts'
import { DS, ES, FS, GS, gpr, RSP, SS } from '../../../isa/operands.ts'
import { AC, DF, ID, IF, IOPL, NT, RF, STATUS, TF, VIF, VIP, VM } from '../../../isa/status-flags.ts'
import { guestHas } from '../../vmx/state.ts'
import type { Engine } from '../engine.ts'
import { generalProtection } from '../faults.ts'
import { isLongMode, isRealStyle } from '../mode.ts'
import { cplOf, TR } from '../registers.ts'
import { enterCode, requireInCode } from './code-transfer.ts'
import { markAccessed } from './descriptor.ts'
import { enterParagraph, readReturnCode } from './far.ts'
import { dropInnerSegments, loadParagraph } from './load-segment.ts'
import { enterOuterStack, readOuterStack } from './outer-stack.ts'
import { iopl, requireIopl3 } from './privilege.ts'
import { stackSlot } from './stack-frame.ts'
import { taskSwitch } from './task-switch.ts'

const SUPERVISOR = 0

interface ReturnFrame {
  readonly offset: bigint
  readonly selector: number
  readonly flags: number
}

export function iret(engine: Engine, i: Instruction): void {
  const size = i.size as 16 | 32 | 64
  unblockNmi(engine)
  if (engine.isVirtual8086) requireIopl3(engine)
  if (!isRealStyle(engine.mode) && (engine.flagsWord & NT) !== 0) returnToTask(engine)
  const frame: ReturnFrame = {
    offset: stackSlot(engine, size, 0),
    selector: Number(stackSlot(engine, size, 1) & 0xffffn),
    flags: Number(stackSlot(engine, size, 2) & 0xffff_ffffn),
  }
  engine.attention = true
  if (isRealStyle(engine.mode)) returnToParagraph(engine, frame, size)
  else if (engine.mode === 'protected' && size === 32 && (frame.flags & VM) !== 0 && cplOf(engine.cpu) === 0)
    returnToVirtual8086(engine, frame)
  else returnToCode(engine, frame, size)
  engine.unblockedNmi = false
}

/** With NT set, IRET goes back to the task that the TSS links to; IA-32e mode has no tasks. */
function returnToTask(engine: Engine): never {
  if (isLongMode(engine.mode)) throw generalProtection()
  return taskSwitch(engine, 'iret', Number(engine.loadLinear(16, engine.registers.segmentBase[TR]!, SUPERVISOR)))
}

/**
 * IRET unblocks NMIs though it faults (SDM, "Handling Multiple NMIs"): virtual ones where the guest has them, and none where NMIs leave
 * the guest and it has no virtual ones (SDM, "Changes to Instruction Behavior in VMX Non-Root Operation").
 */
function unblockNmi(engine: Engine): void {
  const { cpu } = engine
  if (guestHas(cpu.vmx, 'PIN_BASED_VIRTUAL_NMIS')) {
    engine.unblockedNmi = cpu.vmx.virtualNmiBlocking
    cpu.vmx.virtualNmiBlocking = false
  } else if (!guestHas(cpu.vmx, 'PIN_BASED_NMI_EXITING')) {
    engine.unblockedNmi = cpu.nmiBlocking
    cpu.nmiBlocking = false
  }
}

const dropFrame = (engine: Engine, size: number): void => {
  const pointer = gpr(engine.stackBits, RSP)
  engine.write(pointer, engine.add(engine.stackBits, engine.read(pointer), BigInt((3 * size) / 8)))
}

function returnToParagraph(engine: Engine, { offset, selector, flags }: ReturnFrame, size: number): void {
  engine.checkTarget(offset)
  dropFrame(engine, size)
  // Virtual-8086 mode keeps IOPL; real-address mode is CPL 0.
  replaceReturnFlags(engine, flags, engine.mode === 'real' ? 0 : 3, size)
  enterParagraph(engine, { offset, selector })
}

/** Nine doublewords: EIP, CS, EFLAGS, ESP, SS, ES, DS, FS, GS. */
function returnToVirtual8086(engine: Engine, { offset, selector, flags }: ReturnFrame): void {
  if (offset > 0xffffn) throw generalProtection()
  const slots = [3, 4, 5, 6, 7, 8].map(index => stackSlot(engine, 32, index))
  engine.replaceFlags((flags & ~RESERVED_FLAGS) | 2)
  engine.loadMode() // RFLAGS.VM is on: segment registers are paragraphs from here
  for (const [position, index] of [SS, ES, DS, FS, GS].entries()) loadParagraph(engine, index, Number(slots[position + 1]! & 0xffffn))
  engine.write(gpr(32, RSP), slots[0]!)
  enterParagraph(engine, { offset, selector })
  engine.reloadAddressSpace()
}

function returnToCode(engine: Engine, { offset, selector, flags }: ReturnFrame, size: 16 | 32 | 64): void {
  const cpl = cplOf(engine.cpu)
  const privilege = selector & 3
  const descriptor = readReturnCode(engine, selector)
  requireInCode(engine, descriptor, offset)
  // 64-bit code gets its stack back whatever the level.
  const outer =
    privilege !== cpl || engine.mode === '64-bit' ? readOuterStack(engine, size, BigInt((3 * size) / 8), selector, descriptor) : null
  markAccessed(engine, descriptor)
  if (outer === null) dropFrame(engine, size)
  else enterOuterStack(engine, outer, 0n)
  replaceReturnFlags(engine, flags, cpl, size)
  enterCode(engine, descriptor, selector, privilege, offset)
  if (privilege !== cpl) dropInnerSegments(engine, privilege)
}

const RESERVED_FLAGS = ~(STATUS | TF | IF | DF | IOPL | NT | RF | VM | AC | VIF | VIP | ID)

/** IOPL, VIF and VIP change at CPL 0 only, IF at a CPL up to IOPL; VM only on the way to virtual-8086 mode. */
function replaceReturnFlags(engine: Engine, value: number, cpl: number, size: number): void {
  let changeable = STATUS | TF | DF | NT | RF | AC | ID
  if (cpl === 0) changeable |= IOPL | VIF | VIP
  if (cpl <= iopl(engine)) changeable |= IF
  if (size === 16) changeable &= 0xffff
  const kept = engine.materialised() & ~changeable & ~RF
  engine.replaceFlags(kept | (value & changeable) | 2)
}
