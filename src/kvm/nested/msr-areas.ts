/** The MSR areas of an emulated VM entry or exit (Linux `nested_vmx_load_msr`, `nested_vmx_store_msr`), which lie in L1's memory. */

import { APIC_BASE_MSR, APIC_MSR_END } from '../../spec/apic-registers.ts'
import { MSRS } from '../../spec/msrs.ts'
import type { Context } from '../context.ts'
import { readPhysical32, readPhysical64, writePhysical64 } from '../guest-memory.ts'
import { readMsr, writeMsr } from '../msr.ts'
import { isMsrAllowed } from '../msr-filter.ts'

const ENTRY_BYTES = 16
/** The recommended limit: IA32_VMX_MISC bits 27:25 are 0. An area beyond it is cut off there, as the SDM lets a processor do. */
export const MAX_MSR_AREA = 512
const NOT_LOADABLE: ReadonlySet<number> = new Set([MSRS.MSR_FS_BASE.index, MSRS.MSR_GS_BASE.index])

const isX2apic = (index: number): boolean => index >= APIC_BASE_MSR && index < APIC_MSR_END

/** Loads MSRs. The number of the entry that cannot be loaded, from 1; 0 when all were. */
export function loadMsrArea(c: Context, address: number, count: number): number {
  for (let entry = 0; entry < count; entry++) {
    const at = address + entry * ENTRY_BYTES
    const index = readPhysical32(c, at)
    const isReserved = readPhysical32(c, at + 4) !== 0
    if (entry >= MAX_MSR_AREA || isReserved || NOT_LOADABLE.has(index) || isX2apic(index)) return entry + 1
    if (!isMsrAllowed(c.vm, index, 'write') || !writeMsr(c, index, readPhysical64(c, at + 8))) return entry + 1
  }
  return 0
}

/** Stores MSRs; false when one cannot be read. */
export function storeMsrArea(c: Context, address: number, count: number): boolean {
  for (let entry = 0; entry < count; entry++) {
    const at = address + entry * ENTRY_BYTES
    const index = readPhysical32(c, at)
    const isRefused = entry >= MAX_MSR_AREA || readPhysical32(c, at + 4) !== 0 || isX2apic(index) || !isMsrAllowed(c.vm, index, 'read')
    const value = isRefused ? null : readMsr(c, index)
    if (value === null) return false
    writePhysical64(c, at + 8, value)
  }
  return true
}
