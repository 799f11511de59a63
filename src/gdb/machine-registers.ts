/** Registers that gdb does not know by itself: control registers and tables, the timer, the current VMCS, the guest's local APIC. */

import { guestApic } from '../session/timeline-apic.ts'
import { guestMsr } from '../session/timeline-msrs.ts'
import { guestSegment, guestTable } from '../session/timeline-segments.ts'
import { vmcsField } from '../session/timeline-vmcs.ts'
import { APIC_REGISTERS, type ApicRegisterRow } from '../spec/apic-registers.ts'
import { MSRS } from '../spec/msrs.ts'
import { VMCS_FIELDS, type VmcsFieldName, widthOf } from '../spec/vmcs-fields.ts'
import type { RegisterRow } from './registers.ts'

const system = (name: string, bits: number, read: RegisterRow['read']): RegisterRow => ({
  name,
  bits,
  type: `uint${bits}`,
  group: 'control',
  read,
})

/** Bits 7:4 of the task-priority register (Intel SDM, "Task Priority in IA-32e Mode"). */
const taskPriority: RegisterRow['read'] = ({ view }) => {
  const tpr = guestApic(view, APIC_REGISTERS.APIC_TASKPRI.offset)
  return tpr === undefined ? undefined : BigInt((tpr >>> 4) & 0xf)
}

export const SYSTEM: readonly RegisterRow[] = [
  system('cr0', 64, ({ guest }) => guest.cr0),
  system('cr2', 64, ({ guest }) => guest.cr2),
  system('cr3', 64, ({ guest }) => guest.cr3),
  system('cr4', 64, ({ guest }) => guest.cr4),
  system('cr8', 64, taskPriority),
  system('efer', 64, ({ guest }) => guest.efer),
  system('cpl', 32, ({ guest }) => BigInt(guest.cpl)),
  system('k_gs_base', 64, ({ view }) => guestMsr(view, MSRS.MSR_KERNEL_GS_BASE.index)),
  ...(['gdtr', 'idtr'] as const).flatMap(name => [
    system(`${name}_base`, 64, ({ view }) => guestTable(view, name).base),
    system(`${name}_limit`, 32, ({ view }) => BigInt(guestTable(view, name).limit)),
  ]),
  ...(['ldtr', 'tr'] as const).flatMap(name => [
    system(name, 32, ({ view }) => BigInt(guestSegment(view, name).selector)),
    system(`${name}_base`, 64, ({ view }) => guestSegment(view, name).base),
  ]),
  system('tsc', 64, ({ timer }) => timer.tsc),
  system('tsc_deadline', 64, ({ timer }) => timer.deadline),
  system('instructions', 64, ({ view }) => BigInt(view.instructions)),
  system('event', 32, ({ view }) => BigInt(view.eventIndex)),
]

export const VMX: readonly RegisterRow[] = (Object.keys(VMCS_FIELDS) as VmcsFieldName[]).map(name => {
  const width = widthOf(VMCS_FIELDS[name].encoding)
  const bits = width === 'natural' ? 64 : width
  return { name: `vmcs_${name.toLowerCase()}`, bits, type: `uint${bits}`, group: 'vmx', read: ({ view }) => vmcsField(view, name) }
})

export const APIC: readonly RegisterRow[] = Object.entries(APIC_REGISTERS as Readonly<Record<string, ApicRegisterRow>>).flatMap(
  ([name, { offset, count = 1 }]) =>
    Array.from({ length: count }, (_, i) => ({
      name: `${name.toLowerCase()}${count === 1 ? '' : i}`,
      bits: 32,
      type: 'uint32',
      group: 'apic',
      read: ({ view }) => {
        const value = guestApic(view, offset + 16 * i)
        return value === undefined ? undefined : BigInt(value)
      },
    })),
)
