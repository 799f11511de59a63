/**
 * The MSR areas of VM entries and exits (Intel SDM, "Loading MSRs", "Saving MSRs"): entries of 16 bytes, the index, four reserved
 * bytes, the value.
 */

import { APIC_BASE_MSR, APIC_MSR_END } from '../../spec/apic-registers.ts'
import { MSRS } from '../../spec/msrs.ts'
import type { Engine } from '../cpu/engine.ts'
import { Fault } from '../cpu/faults.ts'
import { readMsr, writeMsr } from '../cpu/msrs.ts'

const ENTRY_BYTES = 16
/** IA32_VMX_MISC bits 27:25 are 0: lists of up to 512 MSRs. What lies behind that is undefined; here it cannot be loaded or stored. */
const MOST_ENTRIES = 512
/** Segment bases have VMCS fields of their own. */
const NOT_LOADABLE: ReadonlySet<number> = new Set([MSRS.MSR_FS_BASE.index, MSRS.MSR_GS_BASE.index])

const isX2apic = (index: number): boolean => index >= APIC_BASE_MSR && index < APIC_MSR_END

/** Loads `count` MSRs. The number of the entry that cannot be loaded, from 1; 0 when all were. */
export function loadMsrs(engine: Engine, address: number, count: number): number {
  const { memory } = engine
  for (let entry = 0; entry < count; entry++) {
    const at = address + entry * ENTRY_BYTES
    const index = memory.read32(at)
    const isReserved = memory.read32(at + 4) !== 0
    if (
      entry >= MOST_ENTRIES ||
      isReserved ||
      NOT_LOADABLE.has(index) ||
      isX2apic(index) ||
      !succeeds(() => writeMsr(engine, index, memory.read64(at + 8)))
    )
      return entry + 1
  }
  return 0
}

/** Stores `count` MSRs; false when one cannot be read. */
export function storeMsrs(engine: Engine, address: number, count: number): boolean {
  const { memory } = engine
  for (let entry = 0; entry < count; entry++) {
    const at = address + entry * ENTRY_BYTES
    const index = memory.read32(at)
    if (entry >= MOST_ENTRIES || memory.read32(at + 4) !== 0 || !succeeds(() => memory.write64(at + 8, readMsr(engine, index))))
      return false
  }
  return true
}

/** What would raise #GP for RDMSR or WRMSR fails here. */
function succeeds(access: () => void): boolean {
  try {
    access()
    return true
  } catch (thrown) {
    if (thrown instanceof Fault) return false
    throw thrown
  }
}
