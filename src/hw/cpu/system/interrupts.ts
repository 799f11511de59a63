/** INT, INT1, INT3, INTO and UD (Intel SDM, "INT n/INTO/INT3/INT1"). */

import { bit } from '../../../base/bits.ts'
import type { Instruction } from '../../../isa/instruction.ts'
import { deliver } from '../delivery.ts'
import type { Engine } from '../engine.ts'
import { type DeliveredEvent, EVENT } from '../event.ts'
import { undefinedOpcode, VECTOR, VmExit } from '../faults.ts'

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
