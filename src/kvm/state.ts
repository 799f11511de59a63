/**
 * KVM's whole state: plain data that hangs in `machine.host`. Addresses are host-physical unless a name says otherwise; the pages
 * themselves (VMCS, bitmaps, APIC page, EPT) lie in the machine's memory.
 */

import type { CpuidEntry } from './cpuid.ts'
import type { KvmExit } from './exit-reason.ts'
import type { KvmParameters } from './parameters.ts'

export interface KvmState {
  readonly parameters: KvmParameters
  /** Host pages are handed out from the top of memory downwards. */
  lowestHostPage: number
  vms: VmState[]
  /** The one high-resolution timer that a CPU's vCPU uses, as host TSC; 0 when inactive. */
  hostTimers: bigint[]
}

export interface MemorySlot {
  readonly slot: number
  readonly guestPhysical: number
  readonly size: number
  readonly hostPhysical: number
}

export interface VmState {
  irqchip: boolean
  slots: MemorySlot[]
  eptRoot: number
  tscKhz: number
  vcpus: VcpuState[]
}

export type TimerMode = 'one-shot' | 'periodic' | 'tsc-deadline'

/** `struct kvm_timer`: one for each local APIC. */
export interface LapicTimerState {
  /** In guest TSC units; 0 when nothing is armed. Also the target of the counting modes. */
  tscDeadline: bigint
  /** Of the counting modes, in ns. */
  periodNs: number
  pending: number
  hvTimerInUse: boolean
  /** When the preemption timer is to fire, as host TSC. */
  hvDeadline: bigint
  apicVirtTimerInUse: boolean
}

/** Where the vCPU's host thread stands. */
export type VcpuPhase = 'user' | 'enter' | 'guest' | 'blocked'

export interface VcpuState {
  readonly id: number
  /** The physical CPU it is pinned to. */
  readonly cpu: number
  phase: VcpuPhase
  /** What KVM_RUN returned with, while the phase is 'user'. */
  exit: KvmExit | null
  vmcs: number
  launched: boolean
  msrBitmap: number
  /** The local APIC's registers; the same page is the virtual-APIC page. */
  apicPage: number
  apicBase: bigint
  timer: LapicTimerState
  tscOffset: bigint
  tscMultiplier: bigint
  cpuid: CpuidEntry[]
  /** MSRs that KVM keeps for the guest, by index. */
  msrs: Record<number, bigint>
  /** An exception to inject at the next entry. */
  exception: { vector: number; errorCode: number | null } | null
  /** A vector taken from the local APIC that entry has not delivered yet (no virtual-interrupt delivery). */
  injectedVector: number
  /** Counters of `kvm_stat`. */
  stats: { exits: number; haltExits: number; irqExits: number; ioExits: number }
}
