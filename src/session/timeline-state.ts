/**
 * What the machine holds at a moment, as rows of name and value under headings: the VMCS, the local APIC and the timers, memory, CPUID
 * and MSRs. Whoever shows them compares rows of one name at two moments.
 */

import { hex } from '../base/u64.ts'
import { physicalTsc } from '../hw/time/clock.ts'
import type { KvmState } from '../kvm/state.ts'
import type { Location } from '../query/location.ts'
import { APIC_REGISTERS, type ApicRegisterName } from '../spec/apic-registers.ts'
import { CPUID_FEATURES } from '../spec/cpuid.ts'
import { MSRS, msrName } from '../spec/msrs.ts'
import { groupOf, VMCS_FIELDS, type VmcsFieldName, type VmcsGroup } from '../spec/vmcs-fields.ts'
import type { TimelineView } from './timeline.ts'
import { guestApic } from './timeline-apic.ts'
import { guestTimer } from './timeline-guest.ts'
import { isUnderKvm, vcpuOf } from './timeline-memory.ts'
import { guestMsrs } from './timeline-msrs.ts'
import { type VmcsName, vmcsAddress, vmcsField, vmcsFields } from './timeline-vmcs.ts'
import { isControlWord, vmcsNote } from './vmcs-notes.ts'

export type StateRow =
  | { readonly kind: 'heading'; readonly text: string }
  /** `note` says in words what the value means; `location` is how to ask about it. */
  | { readonly kind: 'value'; readonly name: string; readonly text: string; readonly note: string; readonly location?: Location }

export const heading = (text: string): StateRow => ({ kind: 'heading', text })
export const valueRow = (name: string, text: string, note = '', location?: Location): StateRow => ({
  kind: 'value',
  name,
  text,
  note,
  ...(location === undefined ? {} : { location }),
})

const GROUPS: readonly (readonly [VmcsGroup, string])[] = [
  ['control', 'controls'],
  ['exit-information', 'exit information'],
  ['guest-state', 'guest state'],
  ['host-state', 'host state'],
]

/** A VMCS by group. What is zero is left out, but for the words of controls. */
export function vmcsRows(view: TimelineView, name: VmcsName = 'current'): readonly StateRow[] {
  const address = vmcsAddress(view, name)
  if (address === undefined) return [heading(name === 'current' ? 'no VMCS is current here' : `there is no ${name} here`)]
  const isLive = name === 'current' && view.machine.cpus[view.cpu]!.vmx.mode === 'non-root'
  const fields = vmcsFields(view, name)
  const location = (field: VmcsFieldName): Location => ({ kind: 'vmcs', vmcs: name === 'current' ? 'vmcs' : name, field })
  return [
    heading(`${name === 'current' ? 'VMCS' : name} at ${hex(address)}${isLive ? ', guest state as of the last exit' : ''}`),
    ...GROUPS.flatMap(([group, title]) => [
      heading(title),
      ...fields.flatMap(([field, value]) =>
        groupOf(VMCS_FIELDS[field].encoding) !== group || (value === 0n && !isControlWord(field))
          ? []
          : [valueRow(field, hex(value), vmcsNote(field, value), location(field))],
      ),
    ]),
  ]
}

/** How far a deadline is away, in words. */
const distance = (left: bigint): string => (left >= 0n ? `in ${left} cycles` : `${-left} cycles ago`)

const DEADLINE: Location = { kind: 'msr', index: MSRS.MSR_IA32_TSC_DEADLINE.index }

/** The guest's deadline, the silicon's, KVM's: whatever is armed, with the time that is left. */
export function timerRows(view: TimelineView): readonly StateRow[] {
  const { machine, tick } = view
  const { tsc, deadline, carrier } = guestTimer(view)
  const cpu = machine.cpus[view.cpu]!
  const physical = physicalTsc(tick, cpu.msrs[MSRS.MSR_IA32_TSC_ADJUST.index] ?? 0n)
  const row = (name: string, value: bigint, now: bigint, location?: Location): StateRow[] =>
    value === 0n ? [] : [valueRow(name, hex(value), distance(value - now), location)]
  const kvm = isUnderKvm(machine) ? (machine.host as KvmState) : null
  const host = kvm?.hostTimers[view.cpu]
  const timer = vcpuOf(machine, view.cpu)?.vcpu.timer
  const virtual = timer?.apicVirtTimerInUse === true
  return [
    heading(`timer, carried by ${carrier === 'none' ? 'nobody' : `the ${carrier}`}`),
    valueRow('guest TSC', hex(tsc)),
    valueRow('host TSC', hex(physical)),
    ...(deadline === 0n ? [valueRow('deadline', 'none', '', DEADLINE)] : row('deadline', deadline, tsc, DEADLINE)),
    ...(virtual
      ? [
          ...row('deadline_vir', vmcsField(view, 'GUEST_DEADLINE_VIR') ?? 0n, tsc),
          ...row(
            'deadline_phy',
            cpu.vmx.mode === 'non-root' ? cpu.vmx.guestDeadline : (vmcsField(view, 'GUEST_DEADLINE_PHY') ?? 0n),
            physical,
          ),
        ]
      : []),
    ...(timer?.hvTimerInUse ? row('preemption', timer.hvDeadline, physical) : []),
    ...(host === undefined
      ? []
      : [
          ...row('hrtimer', host.lapic, physical),
          ...row('vmcs12 timer', host.preemption, physical),
          ...row('L2 deadline', host.guestDeadline, physical),
        ]),
  ]
}

/** The vectors whose bits are set in eight registers. */
function vectorsIn(view: TimelineView, offset: number): string {
  const vectors: string[] = []
  for (let word = 0; word < 8; word++) {
    const bits = guestApic(view, offset + word * 16) ?? 0
    for (let bit = 0; bit < 32; bit++) if ((bits >>> bit) & 1) vectors.push((word * 32 + bit).toString(16))
  }
  return vectors.join(' ')
}

export function apicRows(view: TimelineView): readonly StateRow[] {
  const registers = Object.entries(APIC_REGISTERS).flatMap(([name, row]) => {
    const short = name.replace('APIC_', '')
    const location: Location = { kind: 'apic', register: name as ApicRegisterName }
    if ('count' in row) return [valueRow(short, vectorsIn(view, row.offset) || 'empty', row.sdm, location)]
    const value = guestApic(view, row.offset)
    return value === undefined ? [] : [valueRow(short, hex(value >>> 0, 8), row.sdm, location)]
  })
  return [...timerRows(view), heading('local APIC'), ...registers]
}

export function cpuRows(view: TimelineView): readonly StateRow[] {
  const { machine } = view
  const vcpu = vcpuOf(machine, view.cpu)?.vcpu
  const named = guestMsrs(view)
  const others = Object.entries(vcpu?.msrs ?? machine.cpus[view.cpu]!.msrs)
    .map(([index, value]) => [Number(index), value] as const)
    .filter(([index]) => !named.some(([, known]) => known === index))
  const word = (value: number): string => (value >>> 0).toString(16).padStart(8, '0')
  const features = (leaf: number, subleaf: number, row: Readonly<Record<'eax' | 'ebx' | 'ecx' | 'edx', number>>): string =>
    CPUID_FEATURES.filter(fact => fact.leaf === leaf && fact.subleaf === subleaf && ((row[fact.register] >>> fact.bit) & 1) === 1)
      .map(({ name }) => name)
      .join(' ')
  return [
    heading('MSRs'),
    ...[...named.map(([, index, value]) => [index, value] as const), ...others].map(([index, value]) =>
      valueRow((msrName(index) ?? hex(index)).replace('MSR_', ''), hex(value), '', { kind: 'msr', index }),
    ),
    heading('CPUID, as the guest sees it: eax ebx ecx edx'),
    ...(vcpu?.cpuid ?? []).map(entry =>
      valueRow(
        `${entry.leaf.toString(16)}${entry.indexed ? `.${entry.subleaf.toString(16)}` : ''}`,
        [entry.eax, entry.ebx, entry.ecx, entry.edx].map(word).join(' '),
        features(entry.leaf, entry.subleaf, entry),
      ),
    ),
  ]
}
