/** Where a register of the local APIC is from: a WRMSR or a store of the guest's, or what the APIC did by itself. */

import { RAX } from '../../isa/operands.ts'
import { APIC_BASE_MSR, APIC_REGISTERS, type ApicRegisterName } from '../../spec/apic-registers.ts'
import { valueAt } from '../location-value.ts'
import { apicPageOf } from '../timeline-apic.ts'
import { hex } from './chain.ts'
import { effectOf } from './dataflow.ts'
import type { Flows } from './flows.ts'
import { type Edge, hostProbe, type Probe } from './last-write.ts'
import type { Answer, Scene, Search } from './scenes.ts'

export function* explainApic(flows: Flows, register: ApicRegisterName, from: Edge): Search<Answer> {
  const { offset } = APIC_REGISTERS[register]
  const page = apicPageOf(yield* flows.timeline.seek(from))
  const scene = yield* flows.scene(from, page === undefined ? bareProbe(flows.cpu, offset) : hostProbe(page + offset, 4))
  if (scene === undefined) {
    flows.step({ place: { instructions: 0, events: 0 }, level: 1, text: `${register} as it is after reset` })
    return { end: 'configuration' }
  }
  const value = valueAt(yield* flows.behind(scene.written), { kind: 'apic', register })
  const text = `${register} <- ${value === undefined ? '?' : hex(value)}`
  return yield* written(flows, yield* flows.standAt(scene.written), text, offset)
}

/** On the bare CPU the registers lie beside the others. */
const bareProbe = (cpu: number, offset: number): Probe => ({
  kind: 'register',
  cpu,
  remember: ({ registers }) => BigInt(registers.apic[offset / 4]!),
  judge: (remembered, { registers }, executed, isRetired) => {
    if (BigInt(registers.apic[offset / 4]!) === remembered) return null
    return isRetired && executed !== null ? 'instruction' : 'other'
  },
})

function* written(flows: Flows, scene: Scene, text: string, offset: number): Search<Answer> {
  const { instruction, engine, written } = scene
  const exit = flows.exitIn(written)
  const note = exit === undefined ? 'no exit' : `exit ${exit.name} #${exit.index}, emulated by KVM`
  const isX2apic = instruction?.row.mnemonic === 'WRMSR' && Number(engine.registers.gpr[1]! & 0xffff_ffffn) === APIC_BASE_MSR + offset / 16
  if (isX2apic) {
    flows.at(scene, `${text}  ${flows.textOf(scene)}`, { note })
    return { target: { kind: 'register', index: RAX, low: 0, size: 32 }, from: written.before }
  }
  const store = instruction && effectOf(engine, instruction).writes.find(({ kind }) => kind === 'memory')
  if (store && Number(store.kind === 'memory' && store.address & 0xfffn) === offset)
    return yield* flows.flow(scene, store.flow, `${text}  ${flows.textOf(scene)}`)
  const event = flows.eventsOf(written).find(({ event }) => 'vector' in event || event.kind === 'hrtimer_expire_entry')
  if (event === undefined) flows.at(scene, text, exit === undefined ? {} : { note })
  else flows.step({ place: written.before, event: event.index, level: scene.level, text: `${text}  at ${event.event.kind}` })
  return { end: exit === undefined ? 'device' : 'kvm' }
}
