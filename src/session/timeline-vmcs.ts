/** The VMCSs at a moment: the one that is current, and of a vCPU with a nested guest each by its name. */

import { readField } from '../hw/vmx/vmcs.ts'
import { isWritableShadowField } from '../kvm/nested/shadow-vmcs.ts'
import { readVmcs12, VMCS12_OFFSETS } from '../kvm/nested/vmcs12.ts'
import { VMCS_FIELDS, type VmcsFieldName } from '../spec/vmcs-fields.ts'
import type { TimelineView } from './timeline.ts'
import { vcpuOf } from './timeline-memory.ts'

/** current: the processor's. vmcs12: the one that L1 keeps for L2, as KVM holds it, or its shadow VMCS
 * where that is newer; its guest state is that of L2's last exit to L1. */
export const VMCS_NAMES = ['current', 'vmcs01', 'vmcs12', 'vmcs02'] as const
export type VmcsName = (typeof VMCS_NAMES)[number]

/** Host-physical address; undefined where there is none. */
export function vmcsAddress({ machine, cpu }: TimelineView, name: VmcsName): number | undefined {
  if (name === 'current') {
    const { currentVmcs } = machine.cpus[cpu]!.vmx
    return currentVmcs < 0 ? undefined : currentVmcs
  }
  const { vcpu } = vcpuOf(machine, cpu) ?? {}
  if (vcpu === undefined) return undefined
  if (name === 'vmcs01') return vcpu.vmcs01
  if (vcpu.nested.currentVmptr < 0) return undefined
  return name === 'vmcs12' ? vcpu.nested.vmcs12 : vcpu.nested.vmcs02
}

/** A field; undefined where there is no such VMCS, or where it has not this field. */
export function vmcsField(view: TimelineView, field: VmcsFieldName, name: VmcsName = 'current'): bigint | undefined {
  const address = vmcsAddress(view, name)
  if (address === undefined) return undefined
  if (name !== 'vmcs12') return readField(view.machine.memory, address, field)
  const { vcpu } = vcpuOf(view.machine, view.cpu)!
  const { shadowStale, shadowVmcs } = vcpu.nested
  if (!shadowStale && isWritableShadowField(field)) return readField(view.machine.memory, shadowVmcs.vmcs, field)
  return VMCS12_OFFSETS.has(field) ? readVmcs12({ cpu: view.machine, vcpu }, field) : undefined
}

/** Every field of a VMCS, in the order of the table; empty where there is no such VMCS. */
export const vmcsFields = (view: TimelineView, name: VmcsName): readonly (readonly [field: VmcsFieldName, value: bigint])[] =>
  (Object.keys(VMCS_FIELDS) as VmcsFieldName[]).flatMap(field => {
    const value = vmcsField(view, field, name)
    return value === undefined ? [] : [[field, value] as const]
  })
