/** Segment registers and descriptor tables of the guest at a moment: in the CPU while it runs, in the VMCS while KVM has the CPU. */

import { readField } from '../hw/vmx/vmcs.ts'
import type { VmcsFieldName } from '../spec/vmcs-fields.ts'
import type { TimelineView } from './timeline.ts'
import { isUnderKvm, vcpuOf } from './timeline-memory.ts'

/** In the order of the CPU's numbers. */
export const SEGMENT_NAMES = ['es', 'cs', 'ss', 'ds', 'fs', 'gs', 'ldtr', 'tr'] as const
export type SegmentName = (typeof SEGMENT_NAMES)[number]

export interface GuestSegment {
  readonly selector: number
  readonly base: bigint
}

/** The VMCS that holds a guest's state while KVM has the CPU; undefined while the CPU holds it. */
export function savedIn({ machine, cpu }: TimelineView): number | undefined {
  const { vmx } = machine.cpus[cpu]!
  if (!isUnderKvm(machine) || vmx.mode === 'non-root') return undefined
  return vmx.currentVmcs >= 0 ? vmx.currentVmcs : vcpuOf(machine, cpu)?.vcpu.vmcs01 // nothing is loaded before the first entry
}

export function guestSegment(view: TimelineView, name: SegmentName): GuestSegment {
  const { machine, cpu } = view
  const vmcs = savedIn(view)
  const number = SEGMENT_NAMES.indexOf(name)
  if (vmcs === undefined)
    return { selector: machine.cpus[cpu]!.segments[number]!.selector, base: machine.registers[cpu]!.segmentBase[number]! }
  const field = (what: 'SELECTOR' | 'BASE'): bigint =>
    readField(machine.memory, vmcs, `GUEST_${name.toUpperCase() as Uppercase<SegmentName>}_${what}` satisfies VmcsFieldName)
  return { selector: Number(field('SELECTOR')), base: field('BASE') }
}

export interface GuestTable {
  readonly base: bigint
  readonly limit: number
}

/** GDTR or IDTR. */
export function guestTable(view: TimelineView, name: 'gdtr' | 'idtr'): GuestTable {
  const { machine, cpu } = view
  const vmcs = savedIn(view)
  if (vmcs === undefined) return machine.cpus[cpu]![name]
  const field = (what: 'BASE' | 'LIMIT'): bigint =>
    readField(machine.memory, vmcs, `GUEST_${name.toUpperCase() as Uppercase<typeof name>}_${what}` satisfies VmcsFieldName)
  return { base: field('BASE'), limit: Number(field('LIMIT')) }
}
