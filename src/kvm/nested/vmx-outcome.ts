/** How an emulated VMX instruction ends: RFLAGS of L1, and RIP past the instruction (Linux `nested_vmx_succeed` and its like). */

import { RFLAGS } from '../../spec/rflags.ts'
import { VMX_INSTRUCTION_ERRORS } from '../../spec/vmx-instruction-errors.ts'
import type { Context } from '../context.ts'
import type { ExitOutcome } from '../exit-reason.ts'
import { skipInstruction } from '../interrupts.ts'
import { writeVmcs12 } from './vmcs12.ts'

export type VmxError = keyof typeof VMX_INSTRUCTION_ERRORS

const bitOf = (position: number): bigint => 1n << BigInt(position)
const CF = bitOf(RFLAGS.CF)
const ZF = bitOf(RFLAGS.ZF)
const STATUS = CF | ZF | bitOf(RFLAGS.PF) | bitOf(RFLAGS.AF) | bitOf(RFLAGS.SF) | bitOf(RFLAGS.OF)

function conclude(c: Context, flag: bigint): ExitOutcome {
  c.cpu.vmwrite('GUEST_RFLAGS', (c.cpu.vmread('GUEST_RFLAGS') & ~STATUS) | flag)
  skipInstruction(c)
  return 'resume'
}

export const succeed = (c: Context): ExitOutcome => conclude(c, 0n)

/** VMfailInvalid: there is no current VMCS. */
export const failInvalid = (c: Context): ExitOutcome => conclude(c, CF)

/** VMfailValid with a current VMCS, else VMfailInvalid. */
export function fail(c: Context, error: VmxError): ExitOutcome {
  if (c.vcpu.nested.currentVmptr < 0) return failInvalid(c)
  writeVmcs12(c, 'VM_INSTRUCTION_ERROR', VMX_INSTRUCTION_ERRORS[error].number)
  return conclude(c, ZF)
}
