/** The VMCS that is current at a moment. */

import { readField } from '../hw/vmx/vmcs.ts'
import type { VmcsFieldName } from '../spec/vmcs-fields.ts'
import type { TimelineView } from './timeline.ts'

/** A field of it; undefined where no VMCS is current. */
export function vmcsField({ machine }: TimelineView, name: VmcsFieldName): bigint | undefined {
  const { currentVmcs } = machine.cpus[0]!.vmx
  return currentVmcs < 0 ? undefined : readField(machine.memory, currentVmcs, name)
}
