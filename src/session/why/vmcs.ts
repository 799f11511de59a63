/** Where a VMCS field is from: a VMWRITE, a copy between VMCSs, the guest state that a VM exit saved, or KVM. */

import { SLOT } from '../../hw/vmx/vmcs.ts'
import { RAX, RSP } from '../../isa/operands.ts'
import { VMCS12_OFFSETS, vmcs12Width } from '../../kvm/nested/vmcs12.ts'
import type { SystemRegister } from '../../query/location.ts'
import { groupOf, VMCS_FIELDS, type VmcsFieldName } from '../../spec/vmcs-fields.ts'
import { valueAt } from '../location-value.ts'
import { type VmcsName, vmcsAddress } from '../timeline-vmcs.ts'
import { hex } from './chain.ts'
import { operandSource } from './dataflow.ts'
import type { Flows } from './flows.ts'
import { type Edge, hostProbe } from './last-write.ts'
import type { Answer, Scene, Search, Target } from './scenes.ts'

/** Guest state that a VM exit saves from a register of its own name. */
const SAVED_FROM: Partial<Record<VmcsFieldName, SystemRegister>> = {
  GUEST_RIP: 'rip',
  GUEST_RFLAGS: 'rflags',
  GUEST_CR0: 'cr0',
  GUEST_CR3: 'cr3',
  GUEST_CR4: 'cr4',
}

export function* explainVmcs(flows: Flows, { vmcs, field }: Extract<Target, { kind: 'vmcs' }>, from: Edge): Search<Answer> {
  const address = vmcsAddress(yield* flows.timeline.seek(from), vmcs)
  if (address === undefined) return { end: 'unknown' }
  const isVmcs12 = vmcs === 'vmcs12'
  const offset = isVmcs12 ? VMCS12_OFFSETS.get(field) : SLOT[field]
  if (offset === undefined) return { end: 'unknown' }
  const scene = yield* flows.scene(from, hostProbe(address + offset, isVmcs12 ? vmcs12Width(field) : 8))
  const name = `${vmcs === 'current' ? 'vmcs' : vmcs}.${field}`
  if (scene === undefined) {
    flows.step({ place: { instructions: 0, events: 0 }, level: 0, text: `${name} as it was set up before the first instruction` })
    return { end: 'configuration' }
  }
  const after = yield* flows.behind(scene.written)
  const value = valueAt(after, { kind: 'vmcs', vmcs: vmcs === 'current' ? 'vmcs' : vmcs, field })
  const text = `${name} <- ${value === undefined ? '?' : hex(value)}`
  return written(flows, yield* flows.standAt(scene.written), text, { vmcs, field })
}

function written(flows: Flows, scene: Scene, text: string, { vmcs, field }: { vmcs: VmcsName; field: VmcsFieldName }): Answer {
  const { instruction, written, level } = scene
  const exit = flows.exitIn(written)
  const entry = flows.find(written, 'kvm_nested_vmenter')
  const reflected = flows.find(written, 'kvm_nested_vmexit_inject')
  const event = (index: number, words: string): void =>
    flows.step({ place: written.before, event: index, level, text: `${text}  ${words}` })
  if (instruction?.row.mnemonic === 'VMWRITE' && (vmcs === 'vmcs12' || exit === undefined)) {
    const note = exit === undefined ? undefined : `nested exit ${exit.name} #${exit.index}, emulated by KVM`
    flows.at(scene, `${text}  ${flows.textOf(scene)}`, note === undefined ? {} : { note })
    const source = operandSource(scene.engine, instruction, instruction.src)
    return source === undefined ? { end: 'unknown' } : flows.ask(scene, source)
  }
  if (vmcs === 'vmcs02' && entry !== undefined) {
    event(entry.index, 'copied from vmcs12 at the nested VM entry')
    return { target: { kind: 'vmcs', vmcs: 'vmcs12', field }, from: written.before }
  }
  if (vmcs === 'vmcs12' && (reflected !== undefined || level === 2)) {
    event(reflected?.index ?? exit?.index ?? written.before.events, "copied from vmcs02 at L2's exit to L1")
    return groupOf(VMCS_FIELDS[field].encoding) === 'exit-information'
      ? { target: { kind: 'exit' }, from: written.after }
      : { target: { kind: 'vmcs', vmcs: 'vmcs02', field }, from: written.before }
  }
  if (instruction?.row.mnemonic === 'WRMSR' && field.startsWith('GUEST_DEADLINE')) {
    flows.at(scene, `${text}  ${flows.textOf(scene)}`, { note: exit === undefined ? 'no exit' : `exit ${exit.name} #${exit.index}` })
    return { target: { kind: 'register', index: RAX, low: 0, size: 32 }, from: written.before }
  }
  if (exit === undefined) {
    flows.at(scene, `${text}  ${flows.textOf(scene)}`)
    return { end: 'unknown' }
  }
  return byExit(flows, scene, { text, field, exit })
}

interface AtExit {
  readonly text: string
  readonly field: VmcsFieldName
  readonly exit: { readonly index: number; readonly name: string }
}

/** The CPU saves before KVM tells of the exit; what is stored behind that event is KVM's. */
function byExit(flows: Flows, scene: Scene, { text, field, exit }: AtExit): Answer {
  const { written } = scene
  const isSaved = written.stored === undefined || written.stored.events <= exit.index
  const words = isSaved ? 'saved at the VM exit' : 'by KVM, at the exit'
  const what = `${text}  ${words} ${exit.name}`
  const note = isSaved ? '' : `${field === 'GUEST_RIP' ? 'behind' : 'for'} ${flows.textOf(scene)}`
  flows.at(scene, what, { event: exit.index, ...(note === '' ? {} : { note }) })
  const register = SAVED_FROM[field]
  if (register !== undefined && (isSaved || field === 'GUEST_RIP')) {
    return { target: { kind: 'system', name: register }, from: written.before }
  }
  if (field === 'GUEST_RSP' && isSaved) return { target: { kind: 'register', index: RSP, low: 0, size: 64 }, from: written.before }
  if (groupOf(VMCS_FIELDS[field].encoding) === 'exit-information')
    return { target: { kind: 'exit' }, from: { ...written.before, events: exit.index + 1 } }
  return { end: isSaved ? 'unknown' : 'kvm' }
}
