/** Which address space a CPU is in: the values a walk depends on, and their text as a key of the TLB cache. */

import { bit } from '../../base/bits.ts'
import { CR0, EFER } from '../../spec/cr-bits.ts'
import { MSRS } from '../../spec/msrs.ts'
import { VMX_CONTROLS } from '../../spec/vmx-controls.ts'
import type { AddressSpace } from './paging.ts'
import type { Cpu, Registers } from './registers.ts'

/** CR0.WP and CR0.PG. */
const CR0_RELEVANT = (1n << BigInt(CR0.WP)) | (1n << BigInt(CR0.PG))

export function addressSpaceOf(cpu: Cpu, registers: Registers): { key: string; space: AddressSpace } {
  const cr0 = registers.cr[0]!
  const cr3 = registers.cr[3]!
  const efer = cpu.msrs[MSRS.MSR_EFER.index] ?? 0n
  const { controls, mode } = cpu.vmx
  const ept = mode === 'non-root' && bit(controls.secondary, VMX_CONTROLS.SECONDARY_EXEC_ENABLE_EPT.bit)
  const eptp = ept ? controls.eptPointer : 0n
  const noExecute = (efer >> BigInt(EFER.NX)) & 1n
  return {
    key: `${eptp.toString(16)}:${cr3.toString(16)}:${(cr0 & CR0_RELEVANT).toString(16)}:${noExecute}`,
    space: { cr0, cr3, efer, eptp },
  }
}
