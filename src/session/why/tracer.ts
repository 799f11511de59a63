/** One step of a chain of origins: from a question to the next one, or to the end. */

import { SLOT } from '../../hw/vmx/vmcs.ts'
import type { Instruction } from '../../isa/instruction.ts'
import { RAX, RSP } from '../../isa/operands.ts'
import { VMCS12_OFFSETS, vmcs12Width } from '../../kvm/nested/vmcs12.ts'
import { formatLocation } from '../../query/location.ts'
import { basicExitReason } from '../../spec/exit-reasons.ts'
import { GPR_NAMES } from '../../spec/registers.ts'
import type { EventOf, TraceEvent } from '../../spec/trace-events.ts'
import { groupOf, VMCS_FIELDS, type VmcsFieldName } from '../../spec/vmcs-fields.ts'
import { exitText } from '../../trace/ftrace-formats.ts'
import { instructionAt } from '../instruction-at.ts'
import { valueAt } from '../location-value.ts'
import type { Place } from '../timeline.ts'
import { levelOf } from '../timeline-guest.ts'
import { symbolsOf } from '../timeline-symbols.ts'
import { type VmcsName, vmcsAddress } from '../timeline-vmcs.ts'
import { hex, sourceOf } from './chain.ts'
import { effectOf, type Flow, operandSource, type Source } from './dataflow.ts'
import { hostOf, hostProbe, msrProbe, registerProbe } from './last-write.ts'
import { type Answer, type Question, type Scene, Scenes, type Search, type Target } from './scenes.ts'
import {
  armText,
  DEADLINE,
  EXIT,
  EXPIRES,
  fieldOf,
  INTERRUPT,
  isArming,
  locationOf,
  operandText,
  SAYS_VECTOR,
  sameSource,
  sayingOf,
  vectorText,
} from './words.ts'

export class Tracer extends Scenes {
  *explain({ target, from }: Question): Search<Answer> {
    switch (target.kind) {
      case 'register':
        return yield* this.#register(target, from)
      case 'memory':
        return yield* this.#memory(target, from)
      case 'vmcs':
        return yield* this.#vmcs(target, from)
      case 'msr':
        return yield* this.#msr(target.index, from)
      case 'irq':
        return yield* this.#irq(target.vector, from)
      case 'exit':
        return yield* this.#exit(from)
    }
  }

  // Registers.

  *#register({ index, low, size }: Extract<Target, { kind: 'register' }>, from: Place): Search<Answer> {
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
    if (system !== null) return this.#bySystem(scene, instruction)
    const write = writes.findLast(each => each.kind === 'register' && each.index === index && each.low <= low && each.low + each.size > low)
    const any = write ?? writes.findLast(each => each.kind === 'register' && each.index === index)
    if (any === undefined) return { end: 'unknown' }
    return yield* this.#flow(scene, any.flow, size)
  }

  /** From what an instruction computed to what it read. */
  *#flow(scene: Scene, flow: Flow, _size: number, text = this.textOf(scene)): Search<Answer> {
    const variables = flow.sources.filter(({ kind }) => kind === 'register' || kind === 'memory')
    const distinct = variables.filter((source, i) => variables.findIndex(other => sameSource(other, source)) === i)
    if (distinct.length === 0) {
      this.at(scene, text, { note: flow.sources.some(({ kind }) => kind === 'flags') ? 'from the flags' : 'a constant in the source' })
      return (yield* this.#handlerOf(scene)) ?? { end: 'constant' }
    }
    if (flow.isMoved || distinct.length === 1) {
      this.at(scene, flow.isMoved ? text : `${text}  = ${hex(flow.value)}`)
      return this.ask(scene, distinct[0]!)
    }
    this.at(scene, `${text}  = ${distinct.map(source => operandText(source)).join(', ')}`)
    const locations = distinct.map(locationOf)
    for (const source of distinct) yield* this.#leaf(scene, source)
    return { end: 'operands', operands: locations }
  }

  /** One line about where an operand is from. */
  *#leaf(scene: Scene, source: Source): Search<void> {
    const question = this.ask(scene, source)
    if (!('target' in question)) return
    const { target, from } = question
    const probe =
      target.kind === 'register'
        ? registerProbe(this.cpu, target.index)
        : target.kind === 'memory'
          ? hostProbe(this.cpu, target.host, target.bytes)
          : undefined
    const found = probe && (yield* this.scene(from, probe))
    if (found === undefined) return
    const exit = found.written.instruction === null ? this.exitIn(found.written) : undefined
    this.at(found, `${formatLocation(locationOf(source))} <- ${this.textOf(found)}`, {
      depth: 1,
      ...(exit ? { note: `${exit.name}, by KVM` } : {}),
    })
    yield* this.standAt(scene.written)
  }

  /** RDTSC and its kin, done by the processor. */
  #bySystem(scene: Scene, instruction: Instruction): Answer {
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
      case 'CPUID':
        this.at(scene, text, { note: 'from the configuration of the CPU' })
        return { end: 'configuration' }
      case 'IN':
        this.at(scene, text, { note: 'from a device' })
        return { end: 'device' }
      default:
        this.at(scene, text)
        return { end: 'unknown' }
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

  *#memory({ host, bytes, linear }: Extract<Target, { kind: 'memory' }>, from: Place): Search<Answer> {
    const name = symbolsOf(this.timeline.reader.header.image).nameOf(linear) ?? hex(linear)
    const scene = yield* this.scene(from, hostProbe(this.cpu, host, bytes))
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
      if (write !== undefined)
        return yield* this.#flow(scene, write.flow, 64, `[${name}] <- ${hex(write.flow.value)}  ${this.textOf(scene)}`)
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

  // VMCS fields.

  *#vmcs({ vmcs, field }: Extract<Target, { kind: 'vmcs' }>, from: Place): Search<Answer> {
    const view = yield* this.timeline.seek(from)
    const address = vmcsAddress(view, vmcs)
    if (address === undefined) return { end: 'unknown' }
    const isVmcs12 = vmcs === 'vmcs12'
    const offset = isVmcs12 ? VMCS12_OFFSETS.get(field) : SLOT[field]
    if (offset === undefined) return { end: 'unknown' }
    const scene = yield* this.scene(from, hostProbe(this.cpu, address + offset, isVmcs12 ? vmcs12Width(field) : 8))
    const name = `${vmcs === 'current' ? 'vmcs' : vmcs}.${field}`
    if (scene === undefined) {
      this.step({ place: { instructions: 0, events: 0 }, level: 0, text: `${name} as it was set up before the first instruction` })
      return { end: 'configuration' }
    }
    const after = yield* this.timeline.seek(scene.written.after)
    const value = valueAt(after, { kind: 'vmcs', vmcs: vmcs === 'current' ? 'vmcs' : vmcs, field })
    return this.#vmcsWritten(yield* this.standAt(scene.written), `${name} <- ${value === undefined ? '?' : hex(value)}`, field, vmcs)
  }

  #vmcsWritten(scene: Scene, text: string, field: VmcsFieldName, vmcs: VmcsName): Answer {
    const { instruction, written, level } = scene
    const exit = this.exitIn(written)
    const entry = this.find(written, 'kvm_nested_vmenter')
    const reflected = this.find(written, 'kvm_nested_vmexit_inject')
    const event = (found: { readonly index: number }, words: string): void =>
      this.step({ place: written.before, event: found.index, level, text: `${text}  ${words}` })
    if (instruction?.row.mnemonic === 'VMWRITE' && (vmcs === 'vmcs12' || exit === undefined)) {
      const note = exit === undefined ? undefined : `nested exit ${exit.name} #${exit.index}, emulated by KVM`
      this.at(scene, `${text}  ${this.textOf(scene)}`, note === undefined ? {} : { note })
      const source = operandSource(scene.engine, instruction, instruction.src)
      return source === undefined ? { end: 'unknown' } : this.ask(scene, source)
    }
    if (vmcs === 'vmcs02' && entry !== undefined) {
      event(entry, 'copied from vmcs12 at the nested VM entry')
      return { target: { kind: 'vmcs', vmcs: 'vmcs12', field }, from: written.before }
    }
    if (vmcs === 'vmcs12' && (reflected !== undefined || level === 2)) {
      event(reflected ?? exit ?? { index: written.before.events }, "copied from vmcs02 at L2's exit to L1")
      return groupOf(VMCS_FIELDS[field].encoding) === 'exit-information'
        ? { target: { kind: 'exit' }, from: written.after }
        : { target: { kind: 'vmcs', vmcs: 'vmcs02', field }, from: written.before }
    }
    if (instruction?.row.mnemonic === 'WRMSR' && field.startsWith('GUEST_DEADLINE')) {
      this.at(scene, `${text}  ${this.textOf(scene)}`, { note: exit === undefined ? 'no exit' : `exit ${exit.name} #${exit.index}` })
      return { target: { kind: 'register', index: RAX, low: 0, size: 32 }, from: written.before }
    }
    if (exit !== undefined) {
      const group = groupOf(VMCS_FIELDS[field].encoding)
      event(exit, group === 'control' ? `by KVM, at the exit ${exit.name}` : `saved at the VM exit ${exit.name}`)
      return { end: 'kvm' }
    }
    this.at(scene, `${text}  ${this.textOf(scene)}`)
    return { end: 'unknown' }
  }

  // MSRs.

  *#msr(index: number, from: Place): Search<Answer> {
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

  /** The interrupt in whose handler a constant was written: what made the code run. */
  *#handlerOf({ written, level }: Scene): Search<Answer | undefined> {
    const { kinds, reader } = this.timeline
    let index = written.before.events - 1
    for (index = kinds.find(INTERRUPT, index, -1); index >= 0; index = kinds.find(INTERRUPT, index - 1, -1)) {
      const { level: taken, cpu } = reader.event(index)
      if (taken === level && cpu === this.cpu) break
    }
    if (index < 0) return undefined
    yield* this.timeline.seekEvent(index)
    const instructions = this.timeline.instructionOfEvent(index)
    yield* this.timeline.seek({ instructions, events: index + 1 })
    let hasReturned = false
    yield* this.timeline.scan(written.before, engine => {
      if (engine.index === this.cpu && levelOf(engine.machine, engine.index) === level)
        hasReturned ||= instructionAt(engine)?.row.mnemonic.startsWith('IRET') === true
      return hasReturned
    })
    if (hasReturned) return undefined
    const { vector } = reader.event(index) as EventOf<'interrupt'>
    const last = this.steps.pop()!
    this.steps.push({ ...last, note: `${last.note}, in the handler of vector ${hex(vector)}` })
    return { target: { kind: 'irq', vector }, from: { instructions, events: index + 1 } }
  }

  /** From the delivery of an interrupt back to the timer that made it, and to what armed the timer. */
  *#irq(vector: number, from: Place): Search<Answer> {
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

  *#exit(from: Place): Search<Answer> {
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
    const scene = yield* this.standAt({ before, after: { ...before, events: index + 1 }, instruction: null })
    this.at(scene, this.textOf(scene))
    return name === 'MSR_WRITE' ? { target: { kind: 'register', index: RAX, low: 0, size: 32 }, from: before } : { end: 'constant' }
  }
}
