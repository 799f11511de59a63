/** The local APIC that the guest sees at a moment: the CPU's own on the bare CPU, under KVM the one that KVM keeps. */

import type { TimelineView } from './timeline.ts'
import { isUnderKvm, vcpuOf } from './timeline-memory.ts'

/** The register at an offset of the APIC page; undefined before there is a vCPU. */
export function guestApic({ machine, cpu }: TimelineView, offset: number): number | undefined {
  if (!isUnderKvm(machine)) return machine.registers[cpu]!.apic[offset / 4]
  const { vcpu } = vcpuOf(machine, cpu) ?? {}
  return vcpu && machine.memory.read32(vcpu.apicPage + offset)
}
