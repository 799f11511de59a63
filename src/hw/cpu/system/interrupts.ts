/** INT, INT1, INT3, INTO, IRET and UD (Intel SDM, "INT n"; "IRET"; "Interrupt and Exception Handling in 64-Bit Mode"). */

import { bit } from '../../../base/bits.ts'
import type { Instruction } from '../../../isa/instruction.ts'
import { isCanonical } from '../../../spec/address-width.ts'
import { guestHas } from '../../vmx/state.ts'
import { type DeliveredEvent, deliver, EVENT } from '../delivery.ts'
import type { Engine } from '../engine.ts'
import { generalProtection, undefinedOpcode, VECTOR, VmExit } from '../faults.ts'
import { AC, DF, IF, NT, RF, STATUS, TF } from '../lazy-flags.ts'
import { cplOf, UNUSABLE_RIGHTS } from '../registers.ts'
import { dplOf, markAccessed, readDescriptor } from './segments.ts'

const SS_INDEX = 2

export const ud = (): never => {
  throw undefinedOpcode()
}

function softwareInterrupt(engine: Engine, event: DeliveredEvent): void {
  deliver(engine, event)
  engine.target = engine.registers.rip[0]!
}

export function int(engine: Engine, i: Instruction): void {
  const vector = Number(engine.read(i.dst))
  softwareInterrupt(engine, { vector, type: EVENT.software, errorCode: null, length: i.length })
}

export function int3(engine: Engine, i: Instruction): void {
  const { vmx } = engine.cpu
  if (vmx.mode === 'non-root' && bit(vmx.controls.exceptionBitmap, VECTOR.BP)) {
    const interruption = (VECTOR.BP | (EVENT.softwareException << 8) | (1 << 31)) >>> 0
    throw new VmExit('EXIT_REASON_EXCEPTION_NMI', { interruption, byInstruction: true })
  }
  softwareInterrupt(engine, { vector: VECTOR.BP, type: EVENT.softwareException, errorCode: null, length: i.length })
}

/** INT1: a debug exception that no privilege check hinders. */
export function int1(engine: Engine, i: Instruction): void {
  const { vmx } = engine.cpu
  if (vmx.mode === 'non-root' && bit(vmx.controls.exceptionBitmap, VECTOR.DB)) {
    const interruption = (VECTOR.DB | (EVENT.privileged << 8) | (1 << 31)) >>> 0
    throw new VmExit('EXIT_REASON_EXCEPTION_NMI', { interruption, byInstruction: true })
  }
  softwareInterrupt(engine, { vector: VECTOR.DB, type: EVENT.privileged, errorCode: null, length: i.length })
}

/** INTO with OF set. */
export function into(engine: Engine, i: Instruction): void {
  const { vmx } = engine.cpu
  if (vmx.mode === 'non-root' && bit(vmx.controls.exceptionBitmap, VECTOR.OF)) {
    const interruption = (VECTOR.OF | (EVENT.softwareException << 8) | (1 << 31)) >>> 0
    throw new VmExit('EXIT_REASON_EXCEPTION_NMI', { interruption, byInstruction: true })
  }
  softwareInterrupt(engine, { vector: VECTOR.OF, type: EVENT.softwareException, errorCode: null, length: i.length })
}

/** Returns within 64-bit mode: RIP, CS, RFLAGS, RSP and SS come off the stack. A return to 32-bit code is refused with #GP. */
export function iret(engine: Engine, { size }: Instruction): void {
  const { cpu, registers } = engine
  if ((engine.flagsWord & NT) !== 0) throw generalProtection()
  const bytes = BigInt(size / 8)
  const from = registers.gpr[4]!
  const slot = (index: bigint): bigint => engine.load(size, SS_INDEX, BigInt.asUintN(64, from + index * bytes))
  const rip = slot(0n)
  const codeSelector = Number(slot(1n) & 0xffffn)
  const flags = Number(slot(2n) & 0xffff_ffffn)
  const rsp = slot(3n)
  const stackSelector = Number(slot(4n) & 0xffffn)
  const cpl = cplOf(cpu)
  const newCpl = codeSelector & 3
  if ((codeSelector & 0xfffc) === 0 || newCpl < cpl) throw generalProtection(codeSelector & 0xfffc)
  const code = readDescriptor(engine, codeSelector)
  const isLongCode = (code.rights & 0x18) === 0x18 && (code.rights & 0x6000) === 0x2000
  const isConforming = (code.rights & 4) !== 0
  const fitsLevel = isConforming ? dplOf(code.rights) <= newCpl : dplOf(code.rights) === newCpl
  if (!isLongCode || !fitsLevel || (code.rights & 0x80) === 0) throw generalProtection(codeSelector & 0xfffc)
  if (!isCanonical(rip)) throw generalProtection()
  const stack = stackSegment(engine, stackSelector, newCpl)
  markAccessed(engine, code)
  cpu.segments[1] = { selector: codeSelector, limit: code.limit, accessRights: code.rights | 1 }
  registers.segmentBase[1] = 0n
  cpu.segments[SS_INDEX] = stack
  registers.gpr[4] = rsp
  replaceReturnFlags(engine, flags, cpl, size)
  if (guestHas(cpu.vmx, 'PIN_BASED_VIRTUAL_NMIS')) cpu.vmx.virtualNmiBlocking = false
  else cpu.nmiBlocking = false
  engine.target = rip
  engine.attention = true
  engine.reloadAddressSpace()
}

export function stackSegment(engine: Engine, selector: number, cpl: number): { selector: number; limit: number; accessRights: number } {
  if ((selector & 0xfffc) === 0) {
    if (cpl === 3 || (selector & 3) !== cpl) throw generalProtection()
    return { selector, limit: 0, accessRights: UNUSABLE_RIGHTS | 0x93 | (cpl << 5) }
  }
  const { rights, limit } = readDescriptor(engine, selector)
  const isWritable = (rights & 0x1a) === 0x12
  if ((selector & 3) !== cpl || !isWritable || dplOf(rights) !== cpl || (rights & 0x80) === 0) throw generalProtection(selector & 0xfffc)
  return { selector, limit, accessRights: rights | 1 }
}

const IOPL = 3 << 12
const ID = 1 << 21

function replaceReturnFlags(engine: Engine, value: number, cpl: number, size: number): void {
  let changeable = STATUS | TF | DF | NT | RF | AC | ID
  if (cpl === 0) changeable |= IOPL
  if (cpl <= ((engine.flagsWord >> 12) & 3)) changeable |= IF
  if (size === 16) changeable &= 0xffff
  engine.replaceFlags((engine.materialised() & ~changeable) | (value & changeable) | 2)
}
