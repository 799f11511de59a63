/** VMX instructions as decoded: operands in, RFLAGS out. */

import type { Size } from '../../../base/u64.ts'
import type { Instruction } from '../../../isa/instruction.ts'
import type { MemoryOperand } from '../../../isa/operands.ts'
import { CF, STATUS, ZF } from '../../../isa/status-flags.ts'
import { VMX_INSTRUCTION_ERRORS } from '../../../spec/vmx-instruction-errors.ts'
import { vmEntry } from '../../vmx/entry.ts'
import * as vmx from '../../vmx/instructions.ts'
import { fail, type VmxOutcome } from '../../vmx/outcome.ts'
import type { Engine } from '../engine.ts'
import { undefinedOpcode } from '../faults.ts'

/** VMsucceed clears the status flags; VMfailInvalid sets CF, VMfailValid ZF. */
function conclude(engine: Engine, outcome: VmxOutcome): void {
  if (outcome.kind === 'entered') return
  const flag = outcome.kind === 'invalid' ? CF : outcome.kind === 'failed' ? ZF : 0
  engine.replaceFlags((engine.materialised() & ~STATUS) | flag)
}

/** Without VMX in CPUID none of these opcodes exists. */
function requireVmxFeature(engine: Engine): void {
  if (!engine.machine.config.features.includes('vmx')) throw undefinedOpcode()
}

/** VMXON, VMCLEAR and VMPTRLD take a 64-bit physical address from memory. */
const pointerOperand = (engine: Engine, i: Instruction): bigint => engine.read(i.dst)

export function vmxon(engine: Engine, i: Instruction): void {
  requireVmxFeature(engine)
  conclude(engine, vmx.vmxon(engine, pointerOperand(engine, i)))
}

type Operation = (engine: Engine, i: Instruction) => VmxOutcome

/** An instruction that needs VMX operation and ring 0. */
const inVmxOperation =
  (operation: Operation) =>
  (engine: Engine, i: Instruction): void => {
    requireVmxFeature(engine)
    vmx.requireVmxOperation(engine)
    conclude(engine, operation(engine, i))
  }

export const vmxoff = inVmxOperation(engine => vmx.vmxoff(engine))
export const vmclear = inVmxOperation((engine, i) => vmx.vmclear(engine, pointerOperand(engine, i)))
export const vmptrld = inVmxOperation((engine, i) => vmx.vmptrld(engine, pointerOperand(engine, i)))
export const vmlaunch = inVmxOperation(engine => vmEntry(engine, true))
export const vmresume = inVmxOperation(engine => vmEntry(engine, false))
export const vmcall = inVmxOperation(engine => fail(engine, VMX_INSTRUCTION_ERRORS.VMXERR_VMCALL_IN_VMX_ROOT_OPERATION.number))

export const vmptrst = inVmxOperation((engine, i) => {
  engine.write(i.dst, vmx.vmptrst(engine))
  return { kind: 'succeeded' }
})

export const vmread = inVmxOperation((engine, i) => {
  const value = vmx.vmread(engine, engine.read(i.src))
  if (typeof value !== 'bigint') return value
  const { size } = i.dst as { size: Size }
  engine.write(i.dst, engine.zeroExtend(size, value))
  return { kind: 'succeeded' }
})

export const vmwrite = inVmxOperation((engine, i) => vmx.vmwrite(engine, engine.read(i.dst), engine.read(i.src)))

/** The descriptor of INVEPT and INVVPID; reading it may fault. */
function invalidationDescriptor(engine: Engine, i: Instruction): vmx.InvalidationDescriptor {
  const operand = i.src as MemoryOperand
  const offset = engine.address(operand)
  const low = engine.load(64, operand.segment, offset)
  return { low, high: engine.load(64, operand.segment, BigInt.asUintN(64, offset + 8n)) }
}

export const invept = inVmxOperation((engine, i) => {
  const descriptor = invalidationDescriptor(engine, i)
  return vmx.invept(engine, engine.read(i.dst), descriptor)
})

export const invvpid = inVmxOperation((engine, i) => {
  const descriptor = invalidationDescriptor(engine, i)
  return vmx.invvpid(engine, engine.read(i.dst), descriptor)
})
