/**
 * APICv at run time (Linux `arch/x86/kvm/x86.c`, `__kvm_set_or_clear_apicv_inhibit`, `__kvm_vcpu_update_apicv`). A VM keeps the reasons
 * that forbid it; each vCPU follows before its next entry: the controls, the MSR bitmap, and what carries its timer.
 */

import { type Context, contextsOf, trace, type VmContext } from './context.ts'
import { kick } from './kick.ts'
import { isApicEnabled } from './lapic.ts'
import { evaluateVirtTimer } from './lapic-timer.ts'
import { updateApicVirtualization } from './vmcs01.ts'

/**
 * Bits of the VM's reasons, numbered as Linux's `enum kvm_apicv_inhibit`. Of those that bear on VMX two cannot come up here: Hyper-V's
 * AutoEOI (1), and vCPUs whose physical IDs are the same in 8 bits (4).
 */
export const APICV_INHIBIT = { disabled: 0, absent: 2, blockIrq: 3, apicIdModified: 5, apicBaseModified: 6 } as const

export type ApicvInhibit = keyof typeof APICV_INHIBIT

export const inhibitBit = (reason: ApicvInhibit): number => 1 << APICV_INHIBIT[reason]

/** With `enable_apicv=0` nothing else counts. */
export function setApicvInhibit(c: Context, reason: ApicvInhibit, set: boolean): void {
  const { vm, kvm } = c
  if (!kvm.parameters.enable_apicv) return
  const before = vm.apicvInhibits
  vm.apicvInhibits = set ? before | inhibitBit(reason) : before & ~inhibitBit(reason)
  trace(c, 'kvm_apicv_inhibit_changed', { reason: APICV_INHIBIT[reason], set: set ? 1 : 0, inhibits: BigInt(vm.apicvInhibits) })
  if ((before === 0) !== (vm.apicvInhibits === 0)) kickRunning(c)
}

/** A vCPU that sleeps is left to sleep (KVM_REQUEST_NO_WAKEUP). */
function kickRunning(v: VmContext): void {
  for (const other of contextsOf(v)) if (other.cpu.inGuest()) kick(other)
}

/** Before an entry. A local APIC that is switched off has no use for it. */
export function updateApicv(c: Context): void {
  const { vm, vcpu } = c
  const active = vm.apicvInhibits === 0 && isApicEnabled(c)
  if (active === vcpu.apicvActive) return
  vcpu.apicvActive = active
  vcpu.scanIoApic = true
  updateApicVirtualization(c)
  if (vm.irqchip) evaluateVirtTimer(c)
}
