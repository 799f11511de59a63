/**
 * Delivery through the gates of the IDT (Intel SDM, "Exception- or Interrupt-Handler Procedures"; "Interrupt and Exception Handling in
 * 64-Bit Mode"; "Handling Interrupts and Exceptions in Virtual-8086 Mode").
 *
 *     gate:   15:0 offset, 31:16 selector, 34:32 IST, 43:40 type, 46:45 DPL, 47 P, 63:48 offset      IA-32e mode: ... 95:64 offset
 *     frame:  [GS, FS, DS, ES of virtual-8086 mode,] [SS, ESP, where the stack changes,] EFLAGS, CS, EIP [, error code]
 *     IA-32e: SS, RSP, RFLAGS, CS, RIP [, error code], each 8 bytes, always, from a 16-byte boundary down
 */

import { bitField, shiftRight } from '../../base/u64.ts'
import { CS, DS, ES, FS, GS, gpr, RSP, SS } from '../../isa/operands.ts'
import { IF, NT, RF, TF, VM } from '../../isa/status-flags.ts'
import { isCanonical } from '../../spec/address-width.ts'
import type { Engine } from './engine.ts'
import { type DeliveredEvent, EVENT, isSoftware } from './event.ts'
import { Fault, VECTOR } from './faults.ts'
import { BIG, isLongMode, LONG } from './mode.ts'
import { cplOf } from './registers.ts'
import {
  type Descriptor,
  dplOf,
  findDescriptor,
  isCode,
  isConforming,
  isNull,
  isPresent,
  markAccessed,
  SYSTEM_TYPE,
  selectorCode,
  tableAddress,
} from './system/descriptor.ts'
import { cached, nullSegment, setSegment } from './system/load-segment.ts'
import { presentStack, pushFrame, type Stack } from './system/stack-frame.ts'
import { innerStack, istStack } from './system/task-state.ts'
import { taskSwitch } from './system/task-switch.ts'
import { PRIVILEGE } from './tlb.ts'

interface Gate {
  readonly selector: number
  readonly offset: bigint
  readonly ist: number
  readonly size: 16 | 32 | 64
  /** A trap gate leaves IF as it is. */
  readonly isTrap: boolean
}

export function deliverThroughGate(engine: Engine, event: DeliveredEvent, returnTo: bigint, flags: number): void {
  const external = isSoftware(event.type) && event.type !== EVENT.privileged ? 0 : 1
  const gate = readGate(engine, event, external)
  const code = readHandlerCode(engine, gate, external)
  const cpl = cplOf(engine.cpu)
  const privilege = isConforming(code.rights) ? cpl : dplOf(code.rights)
  const stack = handlerStack(engine, gate, privilege, external)
  const frame = [...callerFrame(engine, gate, privilege < cpl), BigInt(flags >>> 0), BigInt(engine.cpu.segments[CS]!.selector), returnTo]
  if (event.errorCode !== null) frame.push(BigInt(event.errorCode))
  markAccessed(engine, code)
  const pointer = pushFrame(engine, stack, gate.size, frame)

  if (privilege < cpl) setSegment(engine, SS, stack.segment, stack.base)
  engine.write(gpr(stack.width, RSP), pointer)
  if (engine.mode === 'virtual-8086') for (const index of [ES, DS, FS, GS]) setSegment(engine, index, nullSegment(0), 0n)
  setSegment(engine, CS, cached((gate.selector & ~3) | privilege, code), code.base)
  engine.registers.rip[0] = gate.offset
  engine.replaceFlags(flags & ~(TF | NT | RF | VM | (gate.isTrap ? 0 : IF)))
}

const TRAP = 1
/** Types of gates without their lowest bit, which tells trap gates from interrupt gates. */
const GATE_16 = 0x6
const GATE = 0xe

function readGate(engine: Engine, { vector, type: eventType }: DeliveredEvent, external: number): Gate {
  const { base, limit } = engine.cpu.idtr
  const long = isLongMode(engine.mode)
  const bytes = long ? 16 : 8
  const errorCode = vector * 8 + 2 + external
  if (vector * bytes + bytes - 1 > limit) throw new Fault(VECTOR.GP, errorCode)
  const at = tableAddress(engine, base, vector * bytes)
  const low = engine.loadLinear(64, at, PRIVILEGE.supervisor)
  const high = long ? engine.loadLinear(64, BigInt.asUintN(64, at + 8n), PRIVILEGE.supervisor) : 0n
  const rights = bitField(low, 40, 8)
  const type = rights & 0x1f
  const wide = (type & ~TRAP) === GATE
  if (!wide && (long || ((type & ~TRAP) !== GATE_16 && type !== SYSTEM_TYPE.taskGate))) throw new Fault(VECTOR.GP, errorCode)
  if (isSoftware(eventType) && eventType !== EVENT.privileged && dplOf(rights) < cplOf(engine.cpu)) throw new Fault(VECTOR.GP, errorCode)
  if (!isPresent(rights)) throw new Fault(VECTOR.NP, errorCode)
  const selector = bitField(low, 16, 16)
  if (type === SYSTEM_TYPE.taskGate) taskSwitch(engine, 'gate', selector)
  const offset = (low & 0xffffn) | (wide ? shiftRight(low, 32) & 0xffff_0000n : 0n) | ((high & 0xffff_ffffn) << 32n)
  return { selector, offset, ist: long ? bitField(low, 32, 3) : 0, size: long ? 64 : wide ? 32 : 16, isTrap: (type & TRAP) !== 0 }
}

/** The code segment of the handler, which is not less privileged than the program; in IA-32e mode it holds 64-bit code. */
function readHandlerCode(engine: Engine, { selector, offset }: Gate, external: number): Descriptor {
  if (isNull(selector)) throw new Fault(VECTOR.GP, external)
  const errorCode = selectorCode(selector) | external
  const code = findDescriptor(engine, selector)
  if (code === null) throw new Fault(VECTOR.GP, errorCode)
  const { rights } = code
  const long = isLongMode(engine.mode)
  const isWrongWidth = long && (rights & (LONG | BIG)) !== LONG
  const isWrongLevel = engine.mode === 'virtual-8086' ? isConforming(rights) || dplOf(rights) !== 0 : dplOf(rights) > cplOf(engine.cpu)
  if (!isCode(rights) || isWrongWidth || isWrongLevel) throw new Fault(VECTOR.GP, errorCode)
  if (!isPresent(rights)) throw new Fault(VECTOR.NP, errorCode)
  if (long ? !isCanonical(offset, engine.linearBits) : offset > BigInt(code.limit)) throw new Fault(VECTOR.GP, external)
  return code
}

function handlerStack(engine: Engine, { ist, size }: Gate, privilege: number, external: number): Stack {
  const stack =
    ist !== 0
      ? istStack(engine, ist, privilege, external)
      : privilege < cplOf(engine.cpu)
        ? innerStack(engine, privilege, external)
        : presentStack(engine, size === 64, external)
  return size === 64 ? { ...stack, pointer: stack.pointer & ~0xfn } : stack
}

/** What IRET needs to get back to another stack. */
function callerFrame({ cpu, registers, mode }: Engine, { size }: Gate, changesStack: boolean): bigint[] {
  if (size !== 64 && !changesStack) return []
  const selectors = mode === 'virtual-8086' ? [GS, FS, DS, ES, SS] : [SS]
  return [...selectors.map(index => BigInt(cpu.segments[index]!.selector)), registers.gpr[RSP]!]
}
