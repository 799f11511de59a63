/** One step of a chain of origins: from a question to the next one, or to the end. */

import type { Instruction } from '../../isa/instruction.ts'
import { RAX, RSP } from '../../isa/operands.ts'
import { SYSTEM_REGISTERS } from '../../query/location.ts'
import { basicExitReason } from '../../spec/exit-reasons.ts'
import { GPR_NAMES } from '../../spec/registers.ts'
import type { EventOf, TraceEvent } from '../../spec/trace-events.ts'
import type { VmcsFieldName } from '../../spec/vmcs-fields.ts'
import { exitText } from '../../trace/ftrace-formats.ts'
import { levelOf } from '../timeline-guest.ts'
import { symbolsOf } from '../timeline-symbols.ts'
import { explainApic } from './apic.ts'
import { hex, sourceOf } from './chain.ts'
import { effectOf } from './dataflow.ts'
import { Flows } from './flows.ts'
import { type Edge, hostOf, hostProbe, msrProbe, registerProbe } from './last-write.ts'
import type { Answer, Question, Scene, Search, Target } from './scenes.ts'
import { explainSystem } from './system.ts'
import { explainVmcs } from './vmcs.ts'
import { armText, DEADLINE, EXIT, EXPIRES, fieldOf, isArming, SAYS_VECTOR, sayingOf, vectorText } from './words.ts'

/** They move RSP from where it was. */
const STACK_OPERATIONS: ReadonlySet<string> = new Set(['POPFQ', 'POPFD', 'POPFW', 'POP'])

export class Tracer extends Flows {
  *explain({ target, from }: Question): Search<Answer> {
    switch (target.kind) {
      case 'register':
        return yield* this.#register(target, from)
      case 'memory':
        return yield* this.#memory(target, from)
      case 'vmcs':
        return yield* explainVmcs(this, target, from)
      case 'msr':
        return yield* this.#msr(target.index, from)
      case 'system':
        return yield* explainSystem(this, target.name, from)
      case 'apic':
        return yield* explainApic(this, target.register, from)
      case 'irq':
        return yield* this.#irq(target.vector, from)
      case 'exit':
        return yield* this.#exit(from)
    }
  }

  // Registers.

  *#register({ index, low }: Extract<Target, { kind: 'register' }>, from: Edge): Search<Answer> {
    yield* this.timeline.seek(from)
    const level = index === RSP ? levelOf(this.timeline.here().machine, this.cpu) : undefined
    const scene = yield* this.scene(from, registerProbe(this.cpu, index, level))
    const name = GPR_NAMES[64][index]!
    if (scene === undefined) {
      this.step({ place: { instructions: 0, events: 0 }, level: 1, text: `${name} as the boot environment left it` })
      return { end: 'configuration' }
    }
    const { instruction, written, engine } = scene
    if (written.instruction === null || instruction === null) return this.#registerByOthers(scene, name)
    const { writes, system } = effectOf(engine, instruction)
    if (system !== null) return this.#bySystem(scene, instruction, index)
    const write = writes.findLast(each => each.kind === 'register' && each.index === index && each.low <= low && each.low + each.size > low)
    const any = write ?? writes.findLast(each => each.kind === 'register' && each.index === index)
    if (any === undefined) return { end: 'unknown' }
    return yield* this.flow(scene, any.flow)
  }

  /** RDTSC and its kin, done by the processor. */
  #bySystem(scene: Scene, instruction: Instruction, index: number): Answer {
    const { engine, written } = scene
    const text = this.textOf(scene)
    switch (instruction.row.mnemonic) {
      case 'RDTSC':
      case 'RDTSCP':
        this.at(scene, text, { note: 'the time-stamp counter' })
        return { end: 'time' }
      case 'RDMSR': {
        this.at(scene, text, { note: 'no exit' })
        return { target: { kind: 'msr', index: Number(BigInt.asUintN(32, engine.registers.gpr[1]!)) }, from: written.before }
      }
      case 'VMREAD': {
        const field = fieldOf(engine, instruction.src)
        this.at(scene, text, field === undefined ? {} : { note: field })
        return field === undefined ? { end: 'unknown' } : { target: { kind: 'vmcs', vmcs: 'current', field }, from: written.before }
      }
      case 'MOV': {
        this.at(scene, text)
        const name = SYSTEM_REGISTERS.find(each => instruction.src.kind === 'control' && each === `cr${instruction.src.index}`)
        return name === undefined ? { end: 'unknown' } : { target: { kind: 'system', name }, from: written.before }
      }
      case 'CPUID':
        this.at(scene, text, { note: 'from the configuration of the CPU' })
        return { end: 'configuration' }
      case 'IN':
        this.at(scene, text, { note: 'from a device' })
        return { end: 'device' }
      default:
        this.at(scene, text)
        return STACK_OPERATIONS.has(instruction.row.mnemonic) && index === RSP
          ? { target: { kind: 'register', index, low: 0, size: 64 }, from: written.before }
          : { end: 'unknown' }
    }
  }

  /** Nobody's instruction wrote it: KVM did while it emulated one, or a VM entry or exit. */
  #registerByOthers(scene: Scene, name: string): Answer {
    const { engine, instruction, written } = scene
    const msr = this.find(written, 'kvm_msr')
    const text = this.textOf(scene)
    const exit = this.exitIn(written)
    const emulated = { note: `exit ${exit?.name ?? '?'} #${exit?.index ?? '?'}, emulated by KVM` }
    if (msr !== undefined && msr.event.write === 0) {
      this.at(scene, text, emulated)
      return { target: { kind: 'msr', index: msr.event.index }, from: written.before }
    }
    if (this.find(written, 'kvm_cpuid') !== undefined) {
      this.at(scene, text, { note: `${emulated.note} from the CPUID of the configuration` })
      return { end: 'configuration' }
    }
    const io = this.find(written, 'kvm_pio')
    if (io !== undefined && io.event.write === 0) return this.portRead(scene, io.event, emulated.note)
    if (exit?.name === 'VMREAD' && instruction !== null) {
      const field = fieldOf(engine, instruction.src)
      this.at(scene, text, { note: `${emulated.note} from vmcs12${field === undefined ? '' : `.${field}`}` })
      return field === undefined ? { end: 'unknown' } : { target: { kind: 'vmcs', vmcs: 'vmcs12', field }, from: written.before }
    }
    this.at(scene, `${name} changed at ${text}`, exit === undefined ? {} : { note: `exit ${exit.name} #${exit.index}, by KVM` })
    return { end: 'kvm' }
  }

  // Memory.

  *#memory({ host, bytes, linear }: Extract<Target, { kind: 'memory' }>, from: Edge): Search<Answer> {
    const name = symbolsOf(this.timeline.reader.header.image).nameOf(linear) ?? hex(linear)
    const scene = yield* this.scene(from, hostProbe(host, bytes))
    if (scene === undefined) {
      const source = sourceOf(this.timeline, linear)
      const text = source === undefined ? `[${name}] as the boot environment left it` : `[${name}] as it was assembled`
      this.step({ place: { instructions: 0, events: 0 }, level: 1, text, ...(source === undefined ? {} : { source }) })
      return { end: source === undefined ? 'configuration' : 'constant' }
    }
    const { instruction, written, engine } = scene
    if (written.instruction !== null && instruction !== null) {
      const write = effectOf(engine, instruction).writes.findLast(each => {
        const at = each.kind === 'memory' ? hostOf(engine, each.address) : undefined
        return each.kind === 'memory' && at !== undefined && at < host + bytes && host < at + each.bytes
      })
      if (write !== undefined) return yield* this.flow(scene, write.flow, `[${name}] <- ${hex(write.flow.value)}  ${this.textOf(scene)}`)
    }
    const interrupt = this.find(written, 'interrupt')
    if (interrupt !== undefined) {
      this.at(scene, `[${name}] pushed by the delivery of vector ${hex(interrupt.event.vector)}`)
      return { target: { kind: 'irq', vector: interrupt.event.vector }, from: written.after }
    }
    const exit = this.exitIn(written)
    this.at(
      scene,
      `[${name}] changed at ${this.textOf(scene)}`,
      exit === undefined ? {} : { note: `exit ${exit.name} #${exit.index}, by KVM` },
    )
    return { end: exit === undefined ? 'unknown' : 'kvm' }
  }

  // MSRs.

  *#msr(index: number, from: Edge): Search<Answer> {
    yield* this.timeline.seek(from)
    const level = levelOf(this.timeline.here().machine, this.cpu)
    const scene = yield* this.scene(from, msrProbe(this.cpu, index, level))
    if (scene === undefined) {
      this.step({ place: { instructions: 0, events: 0 }, level, text: `msr ${index.toString(16)} as it was at the start` })
      return { end: 'configuration' }
    }
    const { engine, written } = scene
    const low = BigInt.asUintN(32, engine.registers.gpr[RAX]!)
    const high = BigInt.asUintN(32, engine.registers.gpr[2]!)
    if (index === DEADLINE) this.deadlineReached(written, from)
    const exit = this.exitIn(written)
    this.at(scene, `msr ${index.toString(16)} <- ${hex((high << 32n) | low)}  ${this.textOf(scene)}`, {
      note: exit === undefined ? 'no exit' : `exit ${exit.name} #${exit.index}`,
    })
    return { target: { kind: 'register', index: RAX, low: 0, size: 32 }, from: written.before }
  }

  // Interrupts.

  /** From the delivery of an interrupt back to the timer that made it, and to what armed the timer. */
  *#irq(vector: number, from: Edge): Search<Answer> {
    const { reader } = this.timeline
    const isOf = (event: TraceEvent): boolean => 'vector' in event && event.vector === vector
    const start = this.lastEvent(from.events, event => SAYS_VECTOR.has(event.kind) && isOf(event))
    if (start < 0) return { end: 'unknown' }
    const delivered = reader.event(start)
    yield* this.told(start, vectorText(delivered))
    const { level } = delivered
    const told = new Set([sayingOf(delivered)])
    for (let index = start - 1; index >= 0; index--) {
      const event = reader.event(index)
      if (event.kind === 'kvm_nested_vmenter' && level === 2) return yield* this.#fromL1(index, event)
      if (event.level !== 0 && event.level !== level) continue
      const isSaid = SAYS_VECTOR.has(event.kind) ? isOf(event) : EXPIRES.has(event.kind)
      if (isSaid && !told.has(sayingOf(event))) {
        told.add(sayingOf(event))
        yield* this.told(index, vectorText(event))
        if (event.kind === 'apic_timer_fire') {
          yield* this.#timerVector(index, event.level)
          const armed = this.lastEvent(index, each => isArming(each) && each.level === level)
          return armed < 0 ? { end: 'unknown' } : yield* this.#armed(armed, reader.event(armed))
        }
      }
      if (isArming(event)) return yield* this.#armed(index, event)
    }
    return { end: 'unknown' }
  }

  /** L2 was entered with it: injected by L1's VM entry, or requested in the guest interrupt status. */
  *#fromL1(index: number, { event_inj }: EventOf<'kvm_nested_vmenter'>): Search<Answer> {
    const isInjected = event_inj >>> 31 === 1
    const field: VmcsFieldName = isInjected ? 'VM_ENTRY_INTR_INFO_FIELD' : 'GUEST_INTR_STATUS'
    const place = yield* this.told(
      index,
      isInjected ? 'injected by the VM entry of L1' : `L1 entered L2 with it requested: vmcs12.${field}`,
    )
    return { target: { kind: 'vmcs', vmcs: 'vmcs12', field }, from: place }
  }

  /** Who chose the vector of the guest timer: L1 for L2, in vmcs12. */
  *#timerVector(index: number, level: number): Search<void> {
    if (level !== 2) return
    const first = this.steps.length
    const from = { instructions: this.timeline.instructionOfEvent(index), events: index }
    let answer: Answer = { target: { kind: 'vmcs', vmcs: 'vmcs02', field: 'GUEST_APIC_TIMER_VECTOR' }, from }
    for (let depth = 0; depth < 2 && 'target' in answer && answer.target.kind === 'vmcs'; depth++) answer = yield* this.explain(answer)
    for (let at = first; at < this.steps.length; at++) this.steps[at] = { ...this.steps[at]!, depth: 1 }
  }

  /** The timer was armed: by a WRMSR of the guest's, at or before this event. */
  *#armed(index: number, event: TraceEvent): Search<Answer> {
    const { instructions } = yield* this.told(index, armText(event))
    const behind = yield* this.timeline.seek({ instructions, events: index + 1 })
    return { target: { kind: 'msr', index: DEADLINE }, from: { instructions: behind.instructions, events: behind.eventIndex } }
  }

  // Exits.

  *#exit(from: Edge): Search<Answer> {
    const index = this.timeline.kinds.find(EXIT, from.events - 1, -1)
    if (index < 0) return { end: 'unknown' }
    const event = this.timeline.reader.event(index) as EventOf<'kvm_exit' | 'vmx_exit'>
    const name = exitText(basicExitReason(event.reason))
    yield* this.timeline.seekEvent(index)
    const before = { instructions: this.timeline.instructionOfEvent(index), events: index }
    this.step({ place: before, event: index, level: event.level, text: `exit ${name} at rip ${hex(event.rip)}` })
    if (name === 'EXTERNAL_INTERRUPT' || name === 'PREEMPTION_TIMER') {
      const armed = this.lastEvent(index, isArming)
      return armed < 0 ? { end: 'unknown' } : yield* this.#armed(armed, this.timeline.reader.event(armed))
    }
    const scene = yield* this.standAt({ cpu: this.cpu, before, after: { ...before, events: index + 1 }, instruction: null })
    this.at(scene, this.textOf(scene))
    return name === 'MSR_WRITE' ? { target: { kind: 'register', index: RAX, low: 0, size: 32 }, from: before } : { end: 'constant' }
  }
}
