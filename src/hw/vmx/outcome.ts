/** How a VMX instruction ends (Intel SDM, "Conventions": VMsucceed, VMfailInvalid, VMfailValid). */

import type { Engine } from '../cpu/engine.ts'
import { writeField } from './vmcs.ts'

export type VmxOutcome = { readonly kind: 'succeeded' | 'invalid' | 'entered' } | { readonly kind: 'failed'; readonly error: number }

export const SUCCEEDED: VmxOutcome = { kind: 'succeeded' }

/** VMfail: with a current VMCS the error number goes into it, else there is none. */
export function fail(engine: Engine, error: number, vmcs: number = engine.cpu.vmx.currentVmcs): VmxOutcome {
  if (vmcs < 0) return { kind: 'invalid' }
  writeField(engine.memory, vmcs, 'VM_INSTRUCTION_ERROR', error)
  return { kind: 'failed', error }
}
