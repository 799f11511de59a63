/** Where RIP, RFLAGS and the control registers are from: the last branch, the last instruction that wrote flags, a MOV to the register. */

import type { Instruction } from '../../isa/instruction.ts'
import { RSP } from '../../isa/operands.ts'
import type { SystemRegister } from '../../query/location.ts'
import { levelOf } from '../timeline-guest.ts'
import { hex } from './chain.ts'
import { effectOf, operandSource } from './dataflow.ts'
import type { Flows } from './flows.ts'
import type { Edge, RegisterProbe, Verdict } from './last-write.ts'
import type { Answer, Scene, Search } from './scenes.ts'

export function* explainSystem(flows: Flows, name: SystemRegister, from: Edge): Search<Answer> {
  yield* flows.timeline.seek(from)
  const level = levelOf(flows.timeline.here().machine, flows.cpu)
  const asked = { kind: 'register', cpu: flows.cpu, level } as const
  const scene = yield* flows.scene(from, { ...asked, ...PROBES[name] })
  if (scene === undefined) {
    flows.step({ place: { instructions: 0, events: 0 }, level: 1, text: `${name} as the boot environment left it` })
    return { end: 'configuration' }
  }
  if (name === 'rip') return yield* branched(flows, scene)
  return name === 'rflags' ? yield* flagged(flows, scene) : controlled(flows, scene, name)
}

type SystemProbe = Pick<RegisterProbe, 'remember' | 'judge'>

const NOTHING = { remember: () => 0n }

/** RIP is elsewhere than behind the instruction, and not at it. */
const departs: SystemProbe = {
  remember: ({ rip }) => rip,
  judge: (remembered, { rip }, executed, isRetired) => {
    if (rip === remembered) return null
    if (executed !== null && rip === BigInt.asUintN(64, remembered + BigInt(executed.length))) return null
    return isRetired ? 'instruction' : 'other'
  },
}

const writesFlags: SystemProbe = {
  ...NOTHING,
  judge: (_remembered, _engine, executed, isRetired) =>
    isRetired && executed !== null && executed.row.writes !== '' ? 'instruction' : null,
}

const isMoveTo = (executed: Instruction | null, index: number): boolean => executed?.dst.kind === 'control' && executed.dst.index === index

const writesControl = (index: number): SystemProbe => ({
  remember: ({ registers }) => registers.cr[index]!,
  judge: (remembered, { registers }, executed, isRetired): Verdict => {
    if (isRetired && isMoveTo(executed, index)) return 'instruction'
    return registers.cr[index] === remembered ? null : 'other'
  },
})

const PROBES: Readonly<Record<SystemRegister, SystemProbe>> = {
  rip: departs,
  rflags: writesFlags,
  cr0: writesControl(0),
  cr2: writesControl(2),
  cr3: writesControl(3),
  cr4: writesControl(4),
}

/** An interrupt, or a branch: to a place from memory or a register, or on a condition. */
function* branched(flows: Flows, scene: Scene): Search<Answer> {
  const { instruction, written, engine, level } = scene
  const interrupt = flows.find(written, 'interrupt')
  if (interrupt !== undefined) {
    const { vector } = interrupt.event
    flows.step({ place: written.before, event: interrupt.index, level, text: `rip <- the handler of vector ${hex(vector)}` })
    return { target: { kind: 'irq', vector }, from: { ...written.after, events: interrupt.index + 1 } }
  }
  const exit = flows.exitIn(written)
  if (written.instruction === null || instruction === null) {
    flows.at(scene, `rip changed at ${flows.textOf(scene)}`, exit === undefined ? {} : { note: `exit ${exit.name} #${exit.index}, by KVM` })
    return { end: exit === undefined ? 'unknown' : 'kvm' }
  }
  const { branch, condition } = effectOf(engine, instruction)
  const source = branch?.sources.find(({ kind }) => kind === 'register' || kind === 'memory')
  const isConditional = condition.length > 0
  flows.at(scene, flows.textOf(scene), isConditional ? { note: 'taken' } : {})
  if (source !== undefined) return flows.ask(scene, source)
  if (!isConditional) return { end: branch === undefined ? 'unknown' : 'constant' }
  const counter = condition.find(({ kind }) => kind === 'register')
  return counter === undefined ? { target: { kind: 'system', name: 'rflags' }, from: written.before } : flows.ask(scene, counter)
}

function* flagged(flows: Flows, scene: Scene): Search<Answer> {
  const { instruction, engine } = scene
  if (instruction === null) return { end: 'unknown' }
  const { flags, system } = effectOf(engine, instruction)
  if (flags !== undefined) return yield* flows.flow(scene, flags)
  flows.at(scene, flows.textOf(scene))
  if (system !== 'popf' && system !== 'iret') return { end: system === 'cli' || system === 'sti' ? 'constant' : 'unknown' }
  // POPF takes them from the top of the stack, IRET from behind RIP and CS.
  const bytes = instruction.size / 8
  const address = engine.registers.gpr[RSP]! + BigInt(system === 'iret' ? 2 * bytes : 0)
  return flows.ask(scene, { kind: 'memory', address, bytes, value: 0n })
}

function controlled(flows: Flows, scene: Scene, name: SystemRegister): Answer {
  const { instruction, engine, written } = scene
  const exit = flows.exitIn(written)
  const note = exit === undefined ? {} : { note: `exit ${exit.name} #${exit.index}, emulated by KVM` }
  if (instruction !== null && isMoveTo(instruction, Number(name.slice(2)))) {
    flows.at(scene, flows.textOf(scene), note)
    const source = operandSource(engine, instruction, instruction.src)
    return source === undefined ? { end: 'unknown' } : flows.ask(scene, source)
  }
  flows.at(scene, `${name} changed at ${flows.textOf(scene)}`, note)
  return { end: exit === undefined ? 'unknown' : 'kvm' }
}
