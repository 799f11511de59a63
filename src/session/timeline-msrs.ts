/** MSRs as the guest that runs would read them at a moment. */

import { APIC_BASE_MSR, APIC_MSR_END, apicOffsetOf } from '../spec/apic-registers.ts'
import { MSRS } from '../spec/msrs.ts'
import type { VmcsFieldName } from '../spec/vmcs-fields.ts'
import type { TimelineView } from './timeline.ts'
import { guestApic } from './timeline-apic.ts'
import { guestTimer } from './timeline-guest.ts'
import { vcpuOf } from './timeline-memory.ts'
import { vmcsField } from './timeline-vmcs.ts'

/** In a VMCS: while the guest runs the processor has them. */
const IN_VMCS: Readonly<Record<number, VmcsFieldName>> = {
  [MSRS.MSR_IA32_SYSENTER_CS.index]: 'GUEST_SYSENTER_CS',
  [MSRS.MSR_IA32_SYSENTER_ESP.index]: 'GUEST_SYSENTER_ESP',
  [MSRS.MSR_IA32_SYSENTER_EIP.index]: 'GUEST_SYSENTER_EIP',
  [MSRS.MSR_IA32_CR_PAT.index]: 'GUEST_IA32_PAT',
  [MSRS.MSR_FS_BASE.index]: 'GUEST_FS_BASE',
  [MSRS.MSR_GS_BASE.index]: 'GUEST_GS_BASE',
}

/** Undefined: the machine has not this MSR, or holds no value of it yet. */
export function guestMsr(view: TimelineView, index: number): bigint | undefined {
  const { machine, cpu } = view
  switch (index) {
    case MSRS.MSR_IA32_TSC.index:
      return guestTimer(view).tsc
    case MSRS.MSR_IA32_TSC_DEADLINE.index:
      return guestTimer(view).deadline
  }
  if (index >= APIC_BASE_MSR && index < APIC_MSR_END) {
    const value = guestApic(view, apicOffsetOf(index))
    return value === undefined ? undefined : BigInt(value)
  }
  const kvm = vcpuOf(machine, cpu)
  const isGuestRunning = kvm === undefined || machine.cpus[cpu]!.vmx.mode === 'non-root'
  if (index === MSRS.MSR_FS_BASE.index && isGuestRunning) return machine.registers[cpu]!.segmentBase[4]
  if (index === MSRS.MSR_GS_BASE.index && isGuestRunning) return machine.registers[cpu]!.segmentBase[5]
  if (kvm === undefined) return machine.cpus[cpu]!.msrs[index] ?? machine.config.vmxMsrs[index]
  const { vcpu } = kvm
  if (index === MSRS.MSR_EFER.index) return vcpu.efer
  if (index === MSRS.MSR_IA32_APICBASE.index) return vcpu.apicBase
  if (index === MSRS.MSR_IA32_FEAT_CTL.index) return vcpu.featureControl
  const field = IN_VMCS[index]
  if (field !== undefined) return isGuestRunning ? (machine.cpus[cpu]!.msrs[index] ?? vmcsField(view, field)) : vmcsField(view, field)
  const isInProcessor = index === MSRS.MSR_KERNEL_GS_BASE.index || index === MSRS.MSR_TSC_AUX.index
  return isInProcessor ? machine.cpus[cpu]!.msrs[index] : (vcpu.msrs[index] ?? vcpu.nested.msrs[index])
}

/** Every MSR of the table that has a value, by name. */
export const guestMsrs = (view: TimelineView): readonly (readonly [name: string, index: number, value: bigint])[] =>
  Object.entries(MSRS).flatMap(([name, { index }]) => {
    const value = guestMsr(view, index)
    return value === undefined ? [] : [[name, index, value] as const]
  })
