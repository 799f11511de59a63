/** KVM_GET_MSRS and KVM_SET_MSRS of a vCPU: user space's access to MSRs, which may do what the guest may not. */

import type { Context } from './context.ts'
import { readMsr, writeMsr } from './msr.ts'

/** `struct kvm_msr_entry`. */
export interface MsrEntry {
  readonly index: number
  readonly data: bigint
}

export function setMsrs(c: Context, entries: readonly MsrEntry[]): number {
  const refused = entries.findIndex(({ index, data }) => !writeMsr(c, index, data, 'host'))
  return refused < 0 ? entries.length : refused
}

export function getMsrs(c: Context, indices: readonly number[]): MsrEntry[] {
  const entries: MsrEntry[] = []
  for (const index of indices) {
    const data = readMsr(c, index, 'host')
    if (data === null) break
    entries.push({ index, data })
  }
  return entries
}
