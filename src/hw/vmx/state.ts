/** What a logical processor keeps about VMX operation (Intel SDM, "Introduction to Virtual Machine Extensions"). */

import { bit } from '../../base/bits.ts'
import { type ControlName, VMX_CONTROLS } from '../../spec/vmx-controls.ts'
import { MULTIPLIER_ONE, type TscView } from '../time/clock.ts'

/** The control fields as of the last VM entry: the CPU looks at its copy, not at the VMCS, while the guest runs. */
export interface Controls {
  pin: number
  primary: number
  secondary: number
  tertiary: number
  exit: number
  entry: number
  exceptionBitmap: number
  pageFaultMask: number
  pageFaultMatch: number
  eptPointer: bigint
  msrBitmap: number
  ioBitmapA: number
  ioBitmapB: number
  virtualApicPage: number
  apicAccessPage: number
  /** The values that MOV to CR3 may have without an exit; as many as the CR3-target count says. */
  cr3Targets: readonly bigint[]
  vmreadBitmap: number
  vmwriteBitmap: number
  /** The shadow VMCS, -1 for none. */
  linkPointer: number
  tsc: TscView
  cr0Mask: bigint
  cr0Shadow: bigint
  cr4Mask: bigint
  cr4Shadow: bigint
  virtualTimerVector: number
  postedVector: number
  postedDescriptor: number
  pauseGap: number
  pauseWindow: number
}

export interface VmxState {
  mode: 'off' | 'root' | 'non-root'
  /** Who is the VMX root software: code in memory, or KVM above the door. */
  rootSoftware: 'guest' | 'kvm'
  /** How deep the guest is, as the root software says, for those who observe: 1, or 2 for a guest's guest. */
  guestLevel: 1 | 2
  /** Physical addresses, -1 for none. */
  vmxonRegion: number
  currentVmcs: number
  /** Never changed in place: what a VM entry remembers of a VMCS may be this very object. */
  controls: Readonly<Controls>
  /** The TPR threshold as of the last VM entry. */
  tprThreshold: number
  /** Guest APIC timer: the armed deadline in physical TSC units, 0 when disarmed or in root operation. */
  guestDeadline: bigint
  /** Requesting and servicing virtual interrupt, and whether a virtual interrupt is recognised. */
  rvi: number
  svi: number
  virtualInterruptRecognised: boolean
  /** With virtual NMIs: whether the guest blocks them. */
  virtualNmiBlocking: boolean
  /** The register of the virtual-APIC page whose write waits for its emulation, by offset; -1 for none. */
  apicWrite: number
  /** Debug exceptions to be raised when nothing blocks them (DR6's bits, 12 for an enabled breakpoint). */
  pendingDebug: number
  /** A VM exit by the monitor trap flag is due before the next instruction. */
  trapPending: boolean
  /** PAUSE-loop exiting: ticks of the loop's first PAUSE and of the last one. */
  firstPause: number
  lastPause: number
  /** Tick at which the VMX-preemption timer reaches 0; `NEVER` when it does not run. */
  preemptionTick: number
}

export const noControls = (): Controls => ({
  pin: 0,
  primary: 0,
  secondary: 0,
  tertiary: 0,
  exit: 0,
  entry: 0,
  exceptionBitmap: 0,
  pageFaultMask: 0,
  pageFaultMatch: 0,
  eptPointer: 0n,
  msrBitmap: 0,
  ioBitmapA: 0,
  ioBitmapB: 0,
  virtualApicPage: 0,
  apicAccessPage: 0,
  cr3Targets: [],
  vmreadBitmap: 0,
  vmwriteBitmap: 0,
  linkPointer: -1,
  tsc: { offset: 0n, multiplier: MULTIPLIER_ONE },
  cr0Mask: 0n,
  cr0Shadow: 0n,
  cr4Mask: 0n,
  cr4Shadow: 0n,
  virtualTimerVector: 0,
  postedVector: 0,
  postedDescriptor: 0,
  pauseGap: 0,
  pauseWindow: 0,
})

export const isControlSet = (controls: Readonly<Controls>, name: ControlName): boolean => {
  const { word, bit: position } = VMX_CONTROLS[name]
  return bit(controls[word], position)
}

/** Whether the CPU is in VMX non-root operation with this control at 1. */
export const guestHas = (vmx: VmxState, name: ControlName): boolean => vmx.mode === 'non-root' && isControlSet(vmx.controls, name)
