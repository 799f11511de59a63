/** What KVM keeps about a vCPU's nested virtualization (Linux `struct nested_vmx`): plain data, addresses as named. */

import type { RootMachine } from '../../hw/root-cpu.ts'
import { allocateHostPage } from '../mmu.ts'
import { newShadowVmcs, type ShadowVmcs } from './shadow-vmcs.ts'

export interface ShadowEpt {
  /** Host page of the top level that vmcs02 uses, and the EPT pointer of vmcs12 that it shadows. */
  root: number
  eptp: bigint
  /** Host pages below the root in use, and spare ones. */
  tables: number[]
  spare: number[]
}

export interface NestedState {
  vmxon: boolean
  /** Guest-physical addresses, -1 for none. */
  vmxonPtr: number
  currentVmptr: number
  /** Host page: the copy of the current VMCS. */
  vmcs12: number
  /** Host pages: the VMCS that runs L2 and its MSR bitmap. */
  vmcs02: number
  msrBitmap: number
  vmcs02Launched: boolean
  /** L2 is what runs. */
  guestMode: boolean
  /** VMLAUNCH or VMRESUME was emulated and L2 has not been entered since: nothing may come between. */
  runPending: boolean
  /** vmcs12's copies of the guest deadline and its shadow are newer than vmcs02's. */
  guestTimerDirty: boolean
  /** L2 ran with the guest timer when it was entered last. */
  guestTimerUsed: boolean
  /** vmcs02 holds fields that were not copied to vmcs12 yet, because L1 rarely reads them. */
  needSyncRare: boolean
  /** The VMCS as KVM emulates it for L1 was programmed while L2 ran: what vmcs01 must be told at the next exit to L1. */
  updateVmcs01Apic: boolean
  /** When vmcs12's preemption timer runs out, in L1's TSC; 0 when it does not run. */
  preemptionDeadline: bigint
  /** It ran out. */
  preemptionTimerExpired: boolean
  /** A posted-interrupt notification for L2 came while KVM was at work. */
  postedPending: boolean
  /** L2 is halted: what its activity state becomes when L1 gets an exit. */
  halted: boolean
  /** Debug state of L1 while L2 runs. */
  vmcs01Dr7: bigint
  vmcs01DebugCtl: bigint
  shadowEpt: ShadowEpt
  shadowVmcs: ShadowVmcs
  /** vmcs12, not the shadow VMCS, has the newest values of the fields that L1 accesses without an exit. */
  shadowStale: boolean
  /** The VMX capability MSRs as this vCPU has them, by index. */
  msrs: Record<number, bigint>
}

/** `shadowing`: the vCPU is offered VMCS shadowing. */
export function newNestedState(machine: RootMachine, msrs: Record<number, bigint>, shadowing: boolean): NestedState {
  return {
    vmxon: false,
    vmxonPtr: -1,
    currentVmptr: -1,
    vmcs12: allocateHostPage(machine),
    vmcs02: allocateHostPage(machine),
    msrBitmap: allocateHostPage(machine),
    vmcs02Launched: false,
    guestMode: false,
    runPending: false,
    guestTimerDirty: false,
    guestTimerUsed: false,
    needSyncRare: false,
    updateVmcs01Apic: false,
    preemptionDeadline: 0n,
    preemptionTimerExpired: false,
    postedPending: false,
    halted: false,
    vmcs01Dr7: 0x400n,
    vmcs01DebugCtl: 0n,
    shadowEpt: { root: allocateHostPage(machine), eptp: 0n, tables: [], spare: [] },
    shadowVmcs: newShadowVmcs(machine, shadowing),
    shadowStale: true,
    msrs,
  }
}
