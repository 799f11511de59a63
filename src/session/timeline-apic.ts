/** The local APIC that the guest sees at a moment: the CPU's own on the bare CPU, under KVM the one that KVM keeps. */

import type { TimelineView } from './timeline.ts'
import { isUnderKvm, vcpuOf } from './timeline-memory.ts'

/** Host-physical address of the page that KVM keeps the registers in; undefined without it. */
export function apicPageOf({ machine, cpu }: TimelineView): number | undefined {
  return vcpuOf(machine, cpu)?.vcpu.apicPage
}

/** The register at an offset of the APIC page; undefined before there is a vCPU. */
export function guestApic(view: TimelineView, offset: number): number | undefined {
  const { machine, cpu } = view
  if (!isUnderKvm(machine)) return machine.registers[cpu]!.apic[offset / 4]
  const page = apicPageOf(view)
  return page === undefined ? undefined : machine.memory.read32(page + offset)
}
