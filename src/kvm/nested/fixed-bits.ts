/** CR0 and CR4 in VMX operation, by the vCPU's own IA32_VMX_CR0_FIXED0 and its like (Linux `nested_host_cr0_valid`, `nested_guest_cr0_valid`). */

import { MSRS } from '../../spec/msrs.ts'
import type { Context } from '../context.ts'
import { vmcs12Has } from './vmcs12.ts'

const CR0_PE_PG = 0x8000_0001n

const fits = ({ vcpu }: Context, name: 'CR0' | 'CR4', value: bigint, free = 0n): boolean => {
  const one = (vcpu.nested.msrs[MSRS[`MSR_IA32_VMX_${name}_FIXED0`].index] ?? 0n) & ~free
  const may = vcpu.nested.msrs[MSRS[`MSR_IA32_VMX_${name}_FIXED1`].index] ?? 0n
  return (value & one) === one && (value & ~may) === 0n
}

/** Of L1 and, while it runs, of L2; an unrestricted L2 is free in PE and PG. */
export const isCr0Valid = (c: Context, value: bigint): boolean =>
  fits(c, 'CR0', value, c.vcpu.nested.guestMode && vmcs12Has(c, 'SECONDARY_EXEC_UNRESTRICTED_GUEST') ? CR0_PE_PG : 0n)
export const isCr4Valid = (c: Context, value: bigint): boolean => fits(c, 'CR4', value)
