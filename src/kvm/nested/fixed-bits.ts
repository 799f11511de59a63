/** CR0 and CR4 in VMX operation, by the vCPU's own IA32_VMX_CR0_FIXED0 and its like (Linux `nested_host_cr0_valid`). */

import { MSRS } from '../../spec/msrs.ts'
import type { Context } from '../context.ts'

const fits = ({ vcpu }: Context, name: 'CR0' | 'CR4', value: bigint): boolean => {
  const one = vcpu.nested.msrs[MSRS[`MSR_IA32_VMX_${name}_FIXED0`].index] ?? 0n
  const may = vcpu.nested.msrs[MSRS[`MSR_IA32_VMX_${name}_FIXED1`].index] ?? 0n
  return (value & one) === one && (value & ~may) === 0n
}

export const isHostCr0Valid = (c: Context, value: bigint): boolean => fits(c, 'CR0', value)
export const isHostCr4Valid = (c: Context, value: bigint): boolean => fits(c, 'CR4', value)
