/**
 * The VM-execution, VM-exit and VM-entry controls that a guest hypervisor chose, and the instruction that set one: under KVM
 * those of vmcs12, whose VMWRITEs are VM exits where the field is not in its shadow, on the bare CPU those of the current VMCS.
 */

import { bitField } from '../base/u64.ts'
import type { Machine } from '../hw/machine.ts'
import { isWritableShadowField } from '../kvm/nested/shadow-vmcs.ts'
import type { KvmState } from '../kvm/state.ts'
import { EXIT_REASONS } from '../spec/exit-reasons.ts'
import { CONTROL_WORDS, type ControlName, VMX_CONTROLS } from '../spec/vmx-controls.ts'
import { exitSpansOf } from '../trace/exit-walk.ts'
import type { Timeline, TimelineView } from './timeline.ts'
import { guestRegisters } from './timeline-guest.ts'
import { isUnderKvm } from './timeline-memory.ts'
import { vmcsAddress, vmcsField } from './timeline-vmcs.ts'

/** The controls that are 1; undefined where the guest has no VMCS. */
export function guestControls(view: TimelineView): ReadonlySet<ControlName> | undefined {
  const vmcs = isUnderKvm(view.machine) ? 'vmcs12' : 'current'
  if (vmcsAddress(view, vmcs) === undefined) return undefined
  const names = Object.keys(VMX_CONTROLS) as ControlName[]
  const isSet = (name: ControlName): boolean => {
    const { word, bit } = VMX_CONTROLS[name]
    return bitField(vmcsField(view, CONTROL_WORDS[word].field, vmcs) ?? 0n, bit, 1) === 1
  }
  const has = new Set(names.filter(isSet))
  const isActive = (name: ControlName): boolean => {
    const { word } = VMX_CONTROLS[name]
    if (word === 'secondary') return has.has('CPU_BASED_ACTIVATE_SECONDARY_CONTROLS')
    return word !== 'tertiary' || has.has('CPU_BASED_ACTIVATE_TERTIARY_CONTROLS')
  }
  return new Set([...has].filter(isActive))
}

/** Whether KVM gives L1 a shadow VMCS at all. */
const usesShadowVmcs = (machine: Machine): boolean => (machine.host as KvmState).parameters.enable_shadow_vmcs === true

/** The instruction that gave a control its value. */
export interface ControlWrite {
  readonly rip: bigint
  /** Its VM exit, where it took one. */
  readonly event?: number
  readonly instructions?: number
}

/**
 * The instruction that gave `control` the value that it has at event `until`. Half-way search: where the guest wrote it more than
 * once, one of the writes that changed it.
 */
export function writeOfControl(timeline: Timeline, control: ControlName, until: number): ControlWrite | undefined {
  const view = timeline.atEvent(until)
  const underKvm = isUnderKvm(view.machine)
  const { instructions } = view
  const value = guestControls(view)?.has(control) ?? false
  const isSame = (at: TimelineView): boolean => (guestControls(at)?.has(control) ?? false) === value
  const { field } = CONTROL_WORDS[VMX_CONTROLS[control].word]
  const exits = underKvm && !(usesShadowVmcs(view.machine) && isWritableShadowField(field))
  if (exits) {
    const writes = vmwritesBefore(timeline, until)
    const before = lastWithout(writes.length, n => isSame(timeline.atEvent(writes[n]!.event)))
    return writes[before]
  }
  const before = lastWithout(instructions, n => isSame(timeline.atInstruction(n)))
  if (before < 0) return undefined
  const { rip } = guestRegisters(timeline.atInstruction(before))
  return { rip, instructions: before }
}

/** The last n below `count` of which `holds` is false; -1 where it always holds. It is taken to hold from some n on. */
function lastWithout(count: number, holds: (n: number) => boolean): number {
  let low = -1
  let high = count
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (holds(middle)) high = middle
    else low = middle
  }
  return low
}

/** The VM exits of L1 for VMWRITE. */
const vmwritesBefore = ({ reader }: Timeline, until: number): readonly { readonly rip: bigint; readonly event: number }[] =>
  [...exitSpansOf(reader)]
    .filter(({ reason, index }) => reason === EXIT_REASONS.EXIT_REASON_VMWRITE && index < until)
    .map(({ rip, index }) => ({ rip, event: index }))
