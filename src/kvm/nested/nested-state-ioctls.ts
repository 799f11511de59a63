/** KVM_GET_NESTED_STATE and KVM_SET_NESTED_STATE (Linux `vmx_get_nested_state`, `vmx_set_nested_state`). */

import { PAGE_SIZE } from '../../base/units.ts'
import { PHYSICAL_ADDRESS_BITS } from '../../spec/address-width.ts'
import { CONTROL_CHECKS } from '../../spec/vmx-entry/control-checks.ts'
import { firstBroken } from '../../spec/vmx-entry/entry-check.ts'
import { GUEST_CHECKS, HOST_CHECKS } from '../../spec/vmx-entry/state-checks.ts'
import type { Context } from '../context.ts'
import { hasFeature } from '../cpuid.ts'
import { KvmError } from '../error.ts'
import { afterNestedEntry } from '../lapic-timer.ts'
import { offersGuestTimer, offersTertiary } from './capabilities.ts'
import { checkedVmcs12, enterGuestMode } from './entry.ts'
import { leaveVmxOperation, setCurrentVmcs } from './instructions.ts'
import { armPreemptionTimer, stopPreemptionTimer } from './preemption-timer.ts'
import { collectShadowVmcs } from './shadow-vmcs.ts'
import { syncVmcs02ToVmcs12, syncVmcs02ToVmcs12Rare } from './sync.ts'
import { readVmcs12, VMCS12_REVISION, VMCS12_SIZE } from './vmcs12.ts'

/** `struct kvm_nested_state` of VMX; addresses are guest-physical, -1 for none. */
export interface NestedStateImage {
  readonly guestMode: boolean
  readonly runPending: boolean
  readonly vmxonPa: number
  readonly vmcs12Pa: number
  /** The current VMCS, or null when there is none. */
  readonly vmcs12: Uint8Array | null
  /** When vmcs12's preemption timer runs out, in L1's TSC; 0 when it does not run. */
  readonly preemptionDeadline: bigint
  /** L2 is halted. */
  readonly halted: boolean
}

export function getNestedState(c: Context): NestedStateImage {
  const { cpu, vcpu } = c
  const { nested } = vcpu
  const hasVmcs = nested.currentVmptr >= 0
  if (nested.guestMode) syncVmcs02ToVmcs12(c)
  if (hasVmcs) syncVmcs02ToVmcs12Rare(c)
  const bytes = new Uint8Array(VMCS12_SIZE)
  if (!nested.guestMode) collectShadowVmcs(c)
  for (let at = 0; hasVmcs && at < VMCS12_SIZE; at++) bytes[at] = cpu.memory.read8(nested.vmcs12 + at)
  return {
    guestMode: nested.guestMode,
    runPending: nested.runPending,
    vmxonPa: nested.vmxonPtr,
    vmcs12Pa: nested.currentVmptr,
    vmcs12: hasVmcs ? bytes : null,
    preemptionDeadline: nested.preemptionDeadline,
    halted: nested.halted,
  }
}

const invalid = (what: string): KvmError => new KvmError('EINVAL', what)

const isPage = (address: number): boolean => address >= 0 && address % PAGE_SIZE === 0 && address < 2 ** PHYSICAL_ADDRESS_BITS

/** Out of guest mode and of VMX operation, whatever there was (Linux `vmx_leave_nested`). */
function leaveNested(c: Context): void {
  const { cpu, vcpu } = c
  const { nested } = vcpu
  if (nested.guestMode) {
    stopPreemptionTimer(c)
    nested.guestMode = false
    cpu.vmptrld(vcpu.vmcs01)
  }
  nested.runPending = false
  nested.halted = false
  if (nested.vmxon) leaveVmxOperation(c)
}

export function setNestedState(c: Context, state: NestedStateImage): void {
  const { cpu, vcpu } = c
  const { nested } = vcpu
  const { vmxonPa, vmcs12Pa, vmcs12 } = state
  if (vmxonPa < 0) {
    if (vmcs12Pa >= 0 || state.guestMode) throw invalid('a current VMCS needs VMX operation')
    leaveNested(c)
    return
  }
  if (!hasFeature(vcpu.cpuid, 'vmx')) throw invalid('the vCPU has no VMX')
  if (!isPage(vmxonPa)) throw invalid('the VMXON pointer is not the address of a page')
  leaveNested(c)
  nested.vmxon = true
  nested.vmxonPtr = vmxonPa
  if (vmcs12 === null) {
    if (state.guestMode) throw invalid('guest mode needs a VMCS')
    return
  }
  if (vmcs12Pa === vmxonPa || !isPage(vmcs12Pa)) throw invalid('the VMCS pointer is not the address of a page of its own')
  setCurrentVmcs(c, vmcs12Pa)
  for (let at = 0; at < VMCS12_SIZE; at++) cpu.memory.write8(nested.vmcs12 + at, vmcs12[at] ?? 0)
  if (cpu.memory.read32(nested.vmcs12) !== VMCS12_REVISION) throw invalid('the VMCS has another revision identifier')
  if (state.guestMode) restoreGuestMode(c, state)
}

function restoreGuestMode(c: Context, state: NestedStateImage): void {
  const { nested } = c.vcpu
  checkAbsentFields(c)
  const checked = checkedVmcs12(c)
  const broken = firstBroken(CONTROL_CHECKS, checked) ?? firstBroken(HOST_CHECKS, checked) ?? firstBroken(GUEST_CHECKS, checked)
  if (broken !== null) throw invalid(broken.rule)
  enterGuestMode(c, state.runPending)
  nested.runPending = state.runPending
  nested.halted = state.halted
  nested.preemptionDeadline = state.preemptionDeadline
  nested.preemptionTimerExpired = false
  armPreemptionTimer(c)
  afterNestedEntry(c)
}

/** What the vCPU's processor does not have must be 0 (the series' patches 10 and 18). */
function checkAbsentFields(c: Context): void {
  const { msrs } = c.vcpu.nested
  if (!offersTertiary(msrs) && readVmcs12(c, 'TERTIARY_VM_EXEC_CONTROL') !== 0n) throw invalid('the vCPU has no tertiary controls')
  const fields = ['GUEST_APIC_TIMER_VECTOR', 'GUEST_DEADLINE_PHY', 'GUEST_DEADLINE_VIR'] as const
  if (!offersGuestTimer(msrs) && fields.some(name => readVmcs12(c, name) !== 0n)) throw invalid('the vCPU has no guest timer')
}
