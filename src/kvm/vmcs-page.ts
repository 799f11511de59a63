/** VMCS regions in host memory (Intel SDM, "Format of the VMCS Region"). */

import type { RootMachine } from '../hw/root-cpu.ts'
import { allocateHostPage } from './mmu.ts'

const VMCS_REVISION_MASK = 0x7fff_ffffn

const VMX_BASIC = 0x480

/** Names the revision in a page, as VMPTRLD wants it. */
export const markVmcsPage = ({ cpus, memory }: RootMachine, page: number): void =>
  memory.write32(page, Number(cpus[0]!.rdmsr(VMX_BASIC) & VMCS_REVISION_MASK))

export function newVmcsPage(machine: RootMachine): number {
  const page = allocateHostPage(machine)
  markVmcsPage(machine, page)
  return page
}
