/**
 * Why something holds what it holds: back through moves, memory, what KVM emulated, the copies between VMCSs, and timers, to where the
 * value began. Each step goes through the run before it again (see `last-write`), so nothing has to be recorded for it.
 */

import type { Engine } from '../../hw/cpu/engine.ts'
import { SLOT } from '../../hw/vmx/vmcs.ts'
import { formatInstruction } from '../../isa/format.ts'
import type { Instruction } from '../../isa/instruction.ts'
import { gpr, type Operand, RAX, RSP } from '../../isa/operands.ts'
import { VMCS12_OFFSETS, vmcs12Width } from '../../kvm/nested/vmcs12.ts'
import { formatLocation, type Location } from '../../query/location.ts'
import { basicExitReason } from '../../spec/exit-reasons.ts'
import { MSRS } from '../../spec/msrs.ts'
import { GPR_NAMES } from '../../spec/registers.ts'
import { type EventKind, type EventOf, TRACE_EVENTS, type TraceEvent } from '../../spec/trace-events.ts'
import { groupOf, VMCS_FIELDS, type VmcsFieldName, vmcsFieldOf } from '../../spec/vmcs-fields.ts'
import { exitText } from '../../trace/ftrace-formats.ts'
import { instructionAt } from '../instruction-at.ts'
import { valueAt } from '../location-value.ts'
import type { Place, Timeline, TimelineView } from '../timeline.ts'
import { guestRegisters, levelOf } from '../timeline-guest.ts'
import { pageWalk } from '../timeline-memory.ts'
import { symbolsOf } from '../timeline-symbols.ts'
import { type VmcsName, vmcsAddress } from '../timeline-vmcs.ts'
import type { Cursor } from '../travel.ts'
import { hex, sourceOf, type Why, type WhyEnd, type WhyStep } from './chain.ts'
import { effectOf, type Flow, operandSource, type Source } from './dataflow.ts'
import { hostOf, hostProbe, lastWrite, msrProbe, type Probe, registerProbe, type Written } from './last-write.ts'

const MOST_STEPS = 48
const DEADLINE = MSRS.MSR_IA32_TSC_DEADLINE.index

/** What is asked about next, and before which place. */
type Target =
  | { readonly kind: 'register'; readonly index: number; readonly low: 0 | 8; readonly size: 8 | 16 | 32 | 64 }
  | { readonly kind: 'memory'; readonly host: number; readonly bytes: number; readonly linear: bigint }
  | { readonly kind: 'vmcs'; readonly vmcs: VmcsName; readonly field: VmcsFieldName }
  | { readonly kind: 'msr'; readonly index: number }
  | { readonly kind: 'irq'; readonly vector: number }
  | { readonly kind: 'exit' }

interface Question {
  readonly target: Target
  readonly from: Place
}

type Answer = Question | { readonly end: WhyEnd; readonly operands?: readonly Location[] }
type Search<T> = Generator<Place, T, void>

/** The chain behind what a location holds at a cursor. */
export function* why(timeline: Timeline, cursor: Cursor, location: Location): Search<Why> {
  const view = yield* viewAt(timeline, cursor)
  const registers = guestRegisters(view)
  const value = valueAt(view, location, registers)
  const symbol = symbolsOf(timeline.reader.header.image).nameOf(registers.rip)
  const level = levelOf(view.machine, view.cpu)
  const tracer = new Tracer(timeline, view.cpu)
  const target = targetOf(view, location)
  const from: Place = cursor.event === undefined ? cursor : { instructions: view.instructions, events: cursor.event + 1 }
  const position = cursor.event === undefined ? `i:${cursor.instructions}` : `#${cursor.event}`
  let answer: Answer = target === undefined ? { end: 'unknown' } : { target, from }
  while ('target' in answer && tracer.steps.length < MOST_STEPS) answer = yield* tracer.explain(answer)
  const { end, operands = [] }: Extract<Answer, { end: WhyEnd }> = 'target' in answer ? { end: 'length' } : answer
  return { location, value, position, level, symbol, steps: tracer.steps, end, operands }
}

export function* viewAt(timeline: Timeline, cursor: Cursor): Search<TimelineView> {
  return cursor.event === undefined ? yield* timeline.seek(cursor) : yield* timeline.seekEvent(cursor.event)
}

function targetOf(view: TimelineView, location: Location): Target | undefined {
  switch (location.kind) {
    case 'register':
      return location
    case 'memory': {
      const { host } = pageWalk(view, guestRegisters(view), location.address)
      return host === undefined ? undefined : { kind: 'memory', host, bytes: location.bytes, linear: location.address }
    }
    case 'vmcs':
      return { ...location, vmcs: location.vmcs === 'vmcs' ? 'current' : location.vmcs }
    case 'msr':
    case 'irq':
    case 'exit':
      return location
    default:
      return undefined
  }
}

/** The instruction before which a write happened, with its CPU standing there. */
interface Scene {
  readonly engine: Engine
  readonly instruction: Instruction | null
  readonly rip: bigint
  readonly level: number
  readonly written: Written
}

class Tracer {
  readonly steps: WhyStep[] = []
  readonly #timeline: Timeline
  readonly #cpu: number

  constructor(timeline: Timeline, cpu: number) {
    this.#timeline = timeline
    this.#cpu = cpu
  }

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

  // Where things were written.

  *#scene(from: Place, probe: Probe): Search<Scene | undefined> {
    const written = yield* lastWrite(this.#timeline, from, probe)
    return written && (yield* this.#standAt(written))
  }

  *#standAt(written: Written): Search<Scene> {
    yield* this.#timeline.seek(written.before)
    const { machine } = this.#timeline.here()
    const engine = machine.engines[this.#cpu]!
    return {
      engine,
      instruction: written.instruction ?? instructionAt(engine),
      rip: engine.rip,
      level: levelOf(machine, this.#cpu),
      written,
    }
  }

  #step(step: Omit<WhyStep, 'position' | 'depth'> & { readonly depth?: 0 | 1 }): void {
    const { event, place } = step
    this.steps.push({ depth: 0, ...step, position: event === undefined ? `i:${place.instructions}` : `#${event}` })
  }

  /** A step at an instruction, with its source line. */
  #at({ rip, level, written }: Scene, text: string, more: { note?: string; depth?: 0 | 1 } = {}): void {
    const source = sourceOf(this.#timeline, rip)
    this.#step({ place: written.before, level, text, ...(source === undefined ? {} : { source }), ...more })
  }

  #textOf({ instruction, rip }: Scene): string {
    if (instruction === null) return `the instruction at ${hex(rip)}`
    return formatInstruction(instruction, { address: rip, symbol: symbolsOf(this.#timeline.reader.header.image).nameOf })
  }

  /** The events between the two moments of a write. */
  #eventsOf({ before, after }: Written): readonly { readonly index: number; readonly event: TraceEvent }[] {
    const events: { index: number; event: TraceEvent }[] = []
    for (let index = before.events; index < after.events; index++) events.push({ index, event: this.#timeline.reader.event(index) })
    return events
  }

  #find<K extends EventKind>(written: Written, kind: K): { readonly index: number; readonly event: EventOf<K> } | undefined {
    return this.#eventsOf(written).find(({ event }) => event.kind === kind) as { index: number; event: EventOf<K> } | undefined
  }

  #exitIn(written: Written): { readonly index: number; readonly name: string } | undefined {
    const found = this.#find(written, 'kvm_exit') ?? this.#find(written, 'vmx_exit')
    return found && { index: found.index, name: exitText(basicExitReason(found.event.reason)) }
  }

  // Registers.

  *#register({ index, low, size }: Extract<Target, { kind: 'register' }>, from: Place): Search<Answer> {
    yield* this.#timeline.seek(from)
    const level = index === RSP ? levelOf(this.#timeline.here().machine, this.#cpu) : undefined
    const scene = yield* this.#scene(from, registerProbe(this.#cpu, index, level))
    const name = GPR_NAMES[64][index]!
    if (scene === undefined) {
      this.#step({ place: { instructions: 0, events: 0 }, level: 1, text: `${name} as the boot environment left it` })
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
  *#flow(scene: Scene, flow: Flow, _size: number, text = this.#textOf(scene)): Search<Answer> {
    const variables = flow.sources.filter(({ kind }) => kind === 'register' || kind === 'memory')
    const distinct = variables.filter((source, i) => variables.findIndex(other => sameSource(other, source)) === i)
    if (distinct.length === 0) {
      this.#at(scene, text, { note: flow.sources.some(({ kind }) => kind === 'flags') ? 'from the flags' : 'a constant in the source' })
      return (yield* this.#handlerOf(scene)) ?? { end: 'constant' }
    }
    if (flow.isMoved || distinct.length === 1) {
      this.#at(scene, flow.isMoved ? text : `${text}  = ${hex(flow.value)}`)
      return this.#ask(scene, distinct[0]!)
    }
    this.#at(scene, `${text}  = ${distinct.map(source => operandText(source)).join(', ')}`)
    const locations = distinct.map(locationOf)
    for (const source of distinct) yield* this.#leaf(scene, source)
    return { end: 'operands', operands: locations }
  }

  /** One line about where an operand is from. */
  *#leaf(scene: Scene, source: Source): Search<void> {
    const question = this.#ask(scene, source)
    if (!('target' in question)) return
    const { target, from } = question
    const probe =
      target.kind === 'register'
        ? registerProbe(this.#cpu, target.index)
        : target.kind === 'memory'
          ? hostProbe(this.#cpu, target.host, target.bytes)
          : undefined
    const found = probe && (yield* this.#scene(from, probe))
    if (found === undefined) return
    const exit = found.written.instruction === null ? this.#exitIn(found.written) : undefined
    this.#at(found, `${formatLocation(locationOf(source))} <- ${this.#textOf(found)}`, {
      depth: 1,
      ...(exit ? { note: `${exit.name}, by KVM` } : {}),
    })
    yield* this.#standAt(scene.written)
  }

  #ask({ engine, written }: Scene, source: Source): Answer {
    if (source.kind === 'register') return { target: { ...source }, from: written.before }
    if (source.kind !== 'memory') return { end: 'constant' }
    const host = hostOf(engine, source.address)
    if (host === undefined) return { end: 'unknown' }
    return { target: { kind: 'memory', host, bytes: source.bytes, linear: source.address }, from: written.before }
  }

  /** RDTSC and its kin, done by the processor. */
  #bySystem(scene: Scene, instruction: Instruction): Answer {
    const { engine, written } = scene
    const text = this.#textOf(scene)
    switch (instruction.row.mnemonic) {
      case 'RDTSC':
      case 'RDTSCP':
        this.#at(scene, text, { note: 'the time-stamp counter' })
        return { end: 'time' }
      case 'RDMSR': {
        this.#at(scene, text, { note: 'no exit' })
        return { target: { kind: 'msr', index: Number(BigInt.asUintN(32, engine.registers.gpr[1]!)) }, from: written.before }
      }
      case 'VMREAD': {
        const field = fieldOf(engine, instruction.src)
        this.#at(scene, text, field === undefined ? {} : { note: field })
        return field === undefined ? { end: 'unknown' } : { target: { kind: 'vmcs', vmcs: 'current', field }, from: written.before }
      }
      case 'CPUID':
        this.#at(scene, text, { note: 'from the configuration of the CPU' })
        return { end: 'configuration' }
      case 'IN':
        this.#at(scene, text, { note: 'from a device' })
        return { end: 'device' }
      default:
        this.#at(scene, text)
        return { end: 'unknown' }
    }
  }

  /** Nobody's instruction wrote it: KVM did while it emulated one, or a VM entry or exit. */
  #registerByOthers(scene: Scene, name: string): Answer {
    const { engine, instruction, written } = scene
    const msr = this.#find(written, 'kvm_msr')
    const text = this.#textOf(scene)
    const exit = this.#exitIn(written)
    const emulated = { note: `exit ${exit?.name ?? '?'} #${exit?.index ?? '?'}, emulated by KVM` }
    if (msr !== undefined && msr.event.write === 0) {
      this.#at(scene, text, emulated)
      return { target: { kind: 'msr', index: msr.event.index }, from: written.before }
    }
    if (this.#find(written, 'kvm_cpuid') !== undefined) {
      this.#at(scene, text, { note: `${emulated.note} from the CPUID of the configuration` })
      return { end: 'configuration' }
    }
    const io = this.#find(written, 'kvm_pio')
    if (io !== undefined && io.event.write === 0) return this.#portRead(scene, io.event, emulated.note)
    if (exit?.name === 'VMREAD' && instruction !== null) {
      const field = fieldOf(engine, instruction.src)
      this.#at(scene, text, { note: `${emulated.note} from vmcs12${field === undefined ? '' : `.${field}`}` })
      return field === undefined ? { end: 'unknown' } : { target: { kind: 'vmcs', vmcs: 'vmcs12', field }, from: written.before }
    }
    this.#at(scene, `${name} changed at ${text}`, exit === undefined ? {} : { note: `exit ${exit.name} #${exit.index}, by KVM` })
    return { end: 'kvm' }
  }

  #portRead(scene: Scene, { port }: EventOf<'kvm_pio'>, note: string): Answer {
    this.#at(scene, this.#textOf(scene), { note: `${note}: port ${hex(port)}` })
    const input = this.#timeline.kinds.find(new Set<EventKind>(['input']), scene.written.before.events - 1, -1)
    if (port < 0x3f8 || port > 0x3ff || input < 0) return { end: 'device' }
    this.#step({ place: scene.written.before, event: input, level: 0, text: 'console input' })
    return { end: 'input' }
  }

  // Memory.

  *#memory({ host, bytes, linear }: Extract<Target, { kind: 'memory' }>, from: Place): Search<Answer> {
    const name = symbolsOf(this.#timeline.reader.header.image).nameOf(linear) ?? hex(linear)
    const scene = yield* this.#scene(from, hostProbe(this.#cpu, host, bytes))
    if (scene === undefined) {
      const source = sourceOf(this.#timeline, linear)
      const text = source === undefined ? `[${name}] as the boot environment left it` : `[${name}] as it was assembled`
      this.#step({ place: { instructions: 0, events: 0 }, level: 1, text, ...(source === undefined ? {} : { source }) })
      return { end: source === undefined ? 'configuration' : 'constant' }
    }
    const { instruction, written, engine } = scene
    if (written.instruction !== null && instruction !== null) {
      const write = effectOf(engine, instruction).writes.findLast(each => {
        const at = each.kind === 'memory' ? hostOf(engine, each.address) : undefined
        return each.kind === 'memory' && at !== undefined && at < host + bytes && host < at + each.bytes
      })
      if (write !== undefined)
        return yield* this.#flow(scene, write.flow, 64, `[${name}] <- ${hex(write.flow.value)}  ${this.#textOf(scene)}`)
    }
    const interrupt = this.#find(written, 'interrupt')
    if (interrupt !== undefined) {
      this.#at(scene, `[${name}] pushed by the delivery of vector ${hex(interrupt.event.vector)}`)
      return { target: { kind: 'irq', vector: interrupt.event.vector }, from: written.after }
    }
    const exit = this.#exitIn(written)
    this.#at(
      scene,
      `[${name}] changed at ${this.#textOf(scene)}`,
      exit === undefined ? {} : { note: `exit ${exit.name} #${exit.index}, by KVM` },
    )
    return { end: exit === undefined ? 'unknown' : 'kvm' }
  }

  // VMCS fields.

  *#vmcs({ vmcs, field }: Extract<Target, { kind: 'vmcs' }>, from: Place): Search<Answer> {
    const view = yield* this.#timeline.seek(from)
    const address = vmcsAddress(view, vmcs)
    if (address === undefined) return { end: 'unknown' }
    const isVmcs12 = vmcs === 'vmcs12'
    const offset = isVmcs12 ? VMCS12_OFFSETS.get(field) : SLOT[field]
    if (offset === undefined) return { end: 'unknown' }
    const scene = yield* this.#scene(from, hostProbe(this.#cpu, address + offset, isVmcs12 ? vmcs12Width(field) : 8))
    const name = `${vmcs === 'current' ? 'vmcs' : vmcs}.${field}`
    if (scene === undefined) {
      this.#step({ place: { instructions: 0, events: 0 }, level: 0, text: `${name} as it was set up before the first instruction` })
      return { end: 'configuration' }
    }
    const after = yield* this.#timeline.seek(scene.written.after)
    const value = valueAt(after, { kind: 'vmcs', vmcs: vmcs === 'current' ? 'vmcs' : vmcs, field })
    return this.#vmcsWritten(yield* this.#standAt(scene.written), `${name} <- ${value === undefined ? '?' : hex(value)}`, field, vmcs)
  }

  #vmcsWritten(scene: Scene, text: string, field: VmcsFieldName, vmcs: VmcsName): Answer {
    const { instruction, written, level } = scene
    const exit = this.#exitIn(written)
    const entry = this.#find(written, 'kvm_nested_vmenter')
    const reflected = this.#find(written, 'kvm_nested_vmexit_inject')
    const event = (found: { readonly index: number }, words: string): void =>
      this.#step({ place: written.before, event: found.index, level, text: `${text}  ${words}` })
    if (instruction?.row.mnemonic === 'VMWRITE' && (vmcs === 'vmcs12' || exit === undefined)) {
      const note = exit === undefined ? undefined : `nested exit ${exit.name} #${exit.index}, emulated by KVM`
      this.#at(scene, `${text}  ${this.#textOf(scene)}`, note === undefined ? {} : { note })
      const source = operandSource(scene.engine, instruction, instruction.src)
      return source === undefined ? { end: 'unknown' } : this.#ask(scene, source)
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
      this.#at(scene, `${text}  ${this.#textOf(scene)}`, { note: exit === undefined ? 'no exit' : `exit ${exit.name} #${exit.index}` })
      return { target: { kind: 'register', index: RAX, low: 0, size: 32 }, from: written.before }
    }
    if (exit !== undefined) {
      const group = groupOf(VMCS_FIELDS[field].encoding)
      event(exit, group === 'control' ? `by KVM, at the exit ${exit.name}` : `saved at the VM exit ${exit.name}`)
      return { end: 'kvm' }
    }
    this.#at(scene, `${text}  ${this.#textOf(scene)}`)
    return { end: 'unknown' }
  }

  // MSRs.

  *#msr(index: number, from: Place): Search<Answer> {
    yield* this.#timeline.seek(from)
    const level = levelOf(this.#timeline.here().machine, this.#cpu)
    const scene = yield* this.#scene(from, msrProbe(this.#cpu, index, level))
    if (scene === undefined) {
      this.#step({ place: { instructions: 0, events: 0 }, level, text: `msr ${index.toString(16)} as it was at the start` })
      return { end: 'configuration' }
    }
    const { engine, written } = scene
    const low = BigInt.asUintN(32, engine.registers.gpr[RAX]!)
    const high = BigInt.asUintN(32, engine.registers.gpr[2]!)
    if (index === DEADLINE) this.#deadlineReached(written, from)
    const exit = this.#exitIn(written)
    this.#at(scene, `msr ${index.toString(16)} <- ${hex((high << 32n) | low)}  ${this.#textOf(scene)}`, {
      note: exit === undefined ? 'no exit' : `exit ${exit.name} #${exit.index}`,
    })
    return { target: { kind: 'register', index: RAX, low: 0, size: 32 }, from: written.before }
  }

  /** The deadline went back to 0 since it was written. */
  #deadlineReached({ after }: Written, from: Place): void {
    const { kinds, reader } = this.#timeline
    const fired = kinds.find(new Set<EventKind>(['apic_timer_fire', 'hrtimer_expire_entry']), after.events, 1)
    if (fired < 0 || fired >= from.events || this.steps.some(({ event }) => event !== undefined && event <= fired)) return
    this.#step({ place: from, event: fired, level: reader.event(fired).level, text: 'deadline reached' })
  }

  // Interrupts.

  /** The interrupt in whose handler a constant was written: what made the code run. */
  *#handlerOf({ written, level }: Scene): Search<Answer | undefined> {
    const { kinds, reader } = this.#timeline
    let index = written.before.events - 1
    for (index = kinds.find(INTERRUPT, index, -1); index >= 0; index = kinds.find(INTERRUPT, index - 1, -1)) {
      const { level: taken, cpu } = reader.event(index)
      if (taken === level && cpu === this.#cpu) break
    }
    if (index < 0) return undefined
    yield* this.#timeline.seekEvent(index)
    const instructions = this.#timeline.instructionOfEvent(index)
    yield* this.#timeline.seek({ instructions, events: index + 1 })
    let hasReturned = false
    yield* this.#timeline.scan(written.before, engine => {
      if (engine.index === this.#cpu && levelOf(engine.machine, engine.index) === level)
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
    const { reader } = this.#timeline
    const isOf = (event: TraceEvent): boolean => 'vector' in event && event.vector === vector
    const start = this.#lastEvent(from.events, event => SAYS_VECTOR.has(event.kind) && isOf(event))
    if (start < 0) return { end: 'unknown' }
    const delivered = reader.event(start)
    yield* this.#told(start, vectorText(delivered))
    const { level } = delivered
    const told = new Set([sayingOf(delivered)])
    for (let index = start - 1; index >= 0; index--) {
      const event = reader.event(index)
      if (event.kind === 'kvm_nested_vmenter' && level === 2) return yield* this.#fromL1(index, event)
      if (event.level !== 0 && event.level !== level) continue
      const isSaid = SAYS_VECTOR.has(event.kind) ? isOf(event) : EXPIRES.has(event.kind)
      if (isSaid && !told.has(sayingOf(event))) {
        told.add(sayingOf(event))
        yield* this.#told(index, vectorText(event))
        if (event.kind === 'apic_timer_fire') {
          yield* this.#timerVector(index, event.level)
          const armed = this.#lastEvent(index, each => isArming(each) && each.level === level)
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
    const place = yield* this.#told(
      index,
      isInjected ? 'injected by the VM entry of L1' : `L1 entered L2 with it requested: vmcs12.${field}`,
    )
    return { target: { kind: 'vmcs', vmcs: 'vmcs12', field }, from: place }
  }

  #lastEvent(before: number, wanted: (event: TraceEvent) => boolean): number {
    for (let index = before - 1; index >= 0; index--) if (wanted(this.#timeline.reader.event(index))) return index
    return -1
  }

  /** A step at an event; where the run stood when it happened. */
  *#told(index: number, text: string): Search<Place> {
    yield* this.#timeline.seekEvent(index)
    const place = { instructions: this.#timeline.instructionOfEvent(index), events: index }
    this.#step({ place, event: index, level: this.#timeline.reader.event(index).level, text })
    return place
  }

  /** Who chose the vector of the guest timer: L1 for L2, in vmcs12. */
  *#timerVector(index: number, level: number): Search<void> {
    if (level !== 2) return
    const first = this.steps.length
    const from = { instructions: this.#timeline.instructionOfEvent(index), events: index }
    let answer: Answer = { target: { kind: 'vmcs', vmcs: 'vmcs02', field: 'GUEST_APIC_TIMER_VECTOR' }, from }
    for (let depth = 0; depth < 2 && 'target' in answer && answer.target.kind === 'vmcs'; depth++) answer = yield* this.explain(answer)
    for (let at = first; at < this.steps.length; at++) this.steps[at] = { ...this.steps[at]!, depth: 1 }
  }

  /** The timer was armed: by a WRMSR of the guest's, at or before this event. */
  *#armed(index: number, event: TraceEvent): Search<Answer> {
    const { instructions } = yield* this.#told(index, armText(event))
    const behind = yield* this.#timeline.seek({ instructions, events: index + 1 })
    return { target: { kind: 'msr', index: DEADLINE }, from: { instructions: behind.instructions, events: behind.eventIndex } }
  }

  // Exits.

  *#exit(from: Place): Search<Answer> {
    const index = this.#timeline.kinds.find(EXIT, from.events - 1, -1)
    if (index < 0) return { end: 'unknown' }
    const event = this.#timeline.reader.event(index) as EventOf<'kvm_exit' | 'vmx_exit'>
    const name = exitText(basicExitReason(event.reason))
    yield* this.#timeline.seekEvent(index)
    const before = { instructions: this.#timeline.instructionOfEvent(index), events: index }
    this.#step({ place: before, event: index, level: event.level, text: `exit ${name} at rip ${hex(event.rip)}` })
    if (name === 'EXTERNAL_INTERRUPT' || name === 'PREEMPTION_TIMER') {
      const armed = this.#lastEvent(index, isArming)
      return armed < 0 ? { end: 'unknown' } : yield* this.#armed(armed, this.#timeline.reader.event(armed))
    }
    const scene = yield* this.#standAt({ before, after: { ...before, events: index + 1 }, instruction: null })
    this.#at(scene, this.#textOf(scene))
    return name === 'MSR_WRITE' ? { target: { kind: 'register', index: RAX, low: 0, size: 32 }, from: before } : { end: 'constant' }
  }
}

const INTERRUPT: ReadonlySet<EventKind> = new Set(['interrupt'])
const EXIT: ReadonlySet<EventKind> = new Set(['kvm_exit', 'vmx_exit'])
const SAYS_VECTOR: ReadonlySet<EventKind> = new Set(['interrupt', 'kvm_inj_virq', 'kvm_apic_accept_irq', 'apic_timer_fire'])
const EXPIRES: ReadonlySet<EventKind> = new Set(['hrtimer_expire_entry'])

const isArming = (event: TraceEvent): boolean =>
  (event.kind === 'apic_timer_arm' && event.deadline !== 0n) ||
  event.kind === 'hrtimer_start' ||
  (event.kind === 'kvm_msr' && event.write === 1 && event.index === DEADLINE && event.value !== 0n)

function armText(event: TraceEvent): string {
  if (event.kind === 'apic_timer_arm') return `guest timer armed: guest_deadline ${hex(event.virtual_deadline)}`
  if (event.kind === 'hrtimer_start') return `host timer armed: expires ${hex(event.expires)}`
  return event.kind === 'kvm_msr' ? `deadline ${hex(event.value)} written` : event.kind
}

function vectorText(event: TraceEvent): string {
  switch (event.kind) {
    case 'interrupt':
      return `vector ${hex(event.vector)} delivered (${event.source})`
    case 'kvm_inj_virq':
      return `vector ${hex(event.vector)} injected by KVM`
    case 'kvm_apic_accept_irq':
      return `vector ${hex(event.vector)} accepted by the local APIC`
    case 'apic_timer_fire':
      return `virtual timer vector ${hex(event.vector)}: deadline reached`
    case 'hrtimer_expire_entry':
      return `host timer expired: deadline reached`
    default:
      return TRACE_EVENTS[event.kind].by
  }
}

/** The same may be said twice by different hands. */
const sayingOf = (event: TraceEvent): string => `${event.kind} ${event.kind === 'interrupt' ? event.source : ''}`

const sameSource = (a: Source, b: Source): boolean =>
  (a.kind === 'register' && b.kind === 'register' && a.index === b.index) ||
  (a.kind === 'memory' && b.kind === 'memory' && a.address === b.address)

function locationOf(source: Source): Location {
  if (source.kind === 'register') return { kind: 'register', index: source.index, low: source.low, size: source.size }
  if (source.kind === 'memory') return { kind: 'memory', address: source.address, bytes: source.bytes }
  return { kind: 'system', name: 'rflags' }
}

const operandText = (source: Source): string =>
  source.kind === 'flags' ? 'flags' : `${formatLocation(locationOf(source))}(${hex(source.value)})`

/** The VMCS field that VMREAD's or VMWRITE's register names. */
function fieldOf(engine: Engine, operand: Operand): VmcsFieldName | undefined {
  if (operand.kind !== 'register') return undefined
  const encoding = engine.registers.gpr[gpr(64, operand.index).index]!
  return encoding > 0xffffn ? undefined : vmcsFieldOf(Number(encoding))
}
