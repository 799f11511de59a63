/**
 * KVM's whole state: plain data that hangs in `machine.host`. Addresses are host-physical unless a name says otherwise; the pages
 * themselves (VMCS, bitmaps, APIC page, EPT) lie in the machine's memory.
 */

import type { CpuidEntry } from './cpuid.ts'
import type { DefectName } from './defects.ts'
import type { Emulation } from './emulation.ts'
import type { KvmExit } from './exit-reason.ts'
import type { Irqchip } from './irqchip.ts'
import type { MsrExitReason, MsrFilter } from './msr-filter.ts'
import type { NestedState } from './nested/nested-state.ts'
import type { KvmParameters } from './parameters.ts'
import type { KvmPit } from './pit.ts'
import type { Statistics } from './statistics.ts'

export interface KvmState {
  readonly parameters: KvmParameters
  /** Mistakes that were switched on; absent without any. */
  readonly defects?: readonly DefectName[]
  /** Host pages are handed out from the top of memory downwards. */
  lowestHostPage: number
  vms: VmState[]
  /** The high-resolution timers of each CPU's vCPU. */
  hostTimers: HostTimers[]
  /** What KVM offers to guest hypervisors at most: VMX capability MSRs by index; empty with `nested=0`. */
  nestedMsrs: Record<number, bigint>
}

/** When each expires, as host TSC; 0 when inactive. */
export interface HostTimers {
  /** The local APIC's timer. */
  lapic: bigint
  /** The VMX-preemption timer of vmcs12. */
  preemption: bigint
  /** The guest deadline of a halted L2. */
  guestDeadline: bigint
  /** Counter 0 of the VM's PIT, on the CPU of its first vCPU. */
  pit: bigint
}

export interface MemorySlot {
  readonly slot: number
  /** KVM_MEM_READONLY: writes are for user space. */
  readonly readonly: boolean
  readonly guestPhysical: number
  readonly size: number
  readonly hostPhysical: number
}

export interface VmState {
  /** The local APICs are in the kernel. */
  irqchip: boolean
  /** The 8259 pair and the I/O APIC that came with them. */
  chips: Irqchip | null
  pit: KvmPit | null
  /** Why no vCPU may use APICv: a bit for each reason. */
  apicvInhibits: number
  /** What guests take for the page of a local APIC; -1 without any. */
  apicAccessPage: number
  slots: MemorySlot[]
  /** KVM_X86_SET_MSR_FILTER; absent: every MSR is allowed. */
  msrFilter?: MsrFilter
  /** KVM_CAP_X86_USER_SPACE_MSR: which failed accesses to MSRs user space gets; absent: none. */
  userSpaceMsr?: readonly MsrExitReason[]
  eptRoot: number
  vcpus: VcpuState[]
}

export type TimerMode = 'one-shot' | 'periodic' | 'tsc-deadline'

/** `struct kvm_timer`: one for each local APIC. */
export interface LapicTimerState {
  mode: TimerMode
  /** In guest TSC units; 0 when nothing is armed. Also the target of the counting modes. */
  tscDeadline: bigint
  /** Of the counting modes, in ns. */
  periodNs: number
  pending: number
  hvTimerInUse: boolean
  /** When the preemption timer is to fire, as host TSC. */
  hvDeadline: bigint
  apicVirtTimerInUse: boolean
  /** How early the preemption timer or the host's is set for a deadline: 0 without `lapic_timer_advance`. */
  advanceNs: number
  /** The deadline whose timer ran out, until an entry has waited for it; else 0. */
  expiredDeadline: bigint
}

/** How a vCPU waits for something to run for. */
export interface HaltState {
  /** For how long it polls before it sleeps: adapted to how long the last waits were. */
  pollNs: number
  /** When this wait began, when its polling is over and when that was given up, as host TSC. */
  since: bigint
  pollUntil: bigint
  sleptAt: bigint
}

export interface InjectedEvent {
  /** Interruption information: vector, type, error-code bit, valid bit. */
  information: number
  errorCode: number
  instructionLength: number
}

/** Where the vCPU's host thread stands. halting: user space says that it is halted. polling: halted, but its thread does not sleep yet. */
export type VcpuPhase = 'user' | 'enter' | 'guest' | 'halting' | 'polling' | 'blocked'

export interface VcpuState {
  readonly id: number
  /** The physical CPU it is pinned to. */
  readonly cpu: number
  phase: VcpuPhase
  /** What KVM_RUN returned with, while the phase is 'user'. */
  exit: KvmExit | null
  vmcs01: number
  launched: boolean
  msrBitmap: number
  /** The local APIC's registers; the same page is the virtual-APIC page. */
  apicPage: number
  apicBase: bigint
  /** The CPU virtualizes the local APIC's interrupts; follows the reasons of the VM before each entry. */
  apicvActive: boolean
  /** KVM_GUESTDBG_BLOCKIRQ: user space asked for no interrupts. */
  blockIrq: boolean
  /** IA32_FEATURE_CONTROL. */
  featureControl: bigint
  timer: LapicTimerState
  tscKhz: number
  tscOffset: bigint
  tscMultiplier: bigint
  /** As the guest that runs has them; the bits that it owns are in the VMCS. */
  cr0: bigint
  cr4: bigint
  efer: bigint
  cpuid: CpuidEntry[]
  /** MSRs that KVM keeps for the guest, by index. */
  msrs: Record<number, bigint>
  /** An exception to inject at the next entry; `cr2` of a page fault, or what a debug exception says in DR6. */
  exception: { vector: number; errorCode: number | null; cr2: bigint } | null
  /** An event whose delivery a VM exit interrupted, or that was to be injected: the fields of VM entry. */
  injected: InjectedEvent | null
  nmiPending: boolean
  /** Whether it runs (or halts), or waits for a start-up message. */
  mpState: 'runnable' | 'wait-for-sipi'
  initPending: boolean
  /** The vector of a start-up message that came, -1 for none. */
  startUpVector: number
  /** Entries of the I/O APIC have changed: the EOI-exit bitmap is to be made anew. */
  scanIoApic: boolean
  /** The instruction that KVM emulates for the guest, while it waits for user space. */
  emulation: Emulation | null
  /** `immediate_exit` of `struct kvm_run`; absent: 0. */
  immediateExitAsked?: boolean
  /** The last entry asked for an exit at once. */
  immediateExit: boolean
  nested: NestedState
  halt: HaltState
  stats: Statistics
}
