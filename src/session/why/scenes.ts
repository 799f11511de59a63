/** Where things were written, as an asker sees it: the machine before the instruction, the events in between; and the steps told so far. */

import type { Engine } from '../../hw/cpu/engine.ts'
import { formatInstruction } from '../../isa/format.ts'
import type { Instruction } from '../../isa/instruction.ts'
import type { Location, SystemRegister } from '../../query/location.ts'
import type { ApicRegisterName } from '../../spec/apic-registers.ts'
import { basicExitReason } from '../../spec/exit-reasons.ts'
import type { EventKind, EventOf, TraceEvent } from '../../spec/trace-events.ts'
import type { VmcsFieldName } from '../../spec/vmcs-fields.ts'
import { exitText } from '../../trace/ftrace-formats.ts'
import { instructionAt } from '../instruction-at.ts'
import type { Place, Timeline, TimelineView } from '../timeline.ts'
import { levelOf } from '../timeline-guest.ts'
import { symbolsOf } from '../timeline-symbols.ts'
import type { VmcsName } from '../timeline-vmcs.ts'
import { hex, sourceOf, type WhyEnd, type WhyStep } from './chain.ts'
import type { Source } from './dataflow.ts'
import { type Edge, hostOf, isOlder, lastWrite, type Probe, type Written } from './last-write.ts'
import { EXIT } from './words.ts'

/** What is asked about next, and before which place. */
export type Target =
  | { readonly kind: 'register'; readonly index: number; readonly low: 0 | 8; readonly size: 8 | 16 | 32 | 64 }
  | { readonly kind: 'memory'; readonly host: number; readonly bytes: number; readonly linear: bigint }
  | { readonly kind: 'vmcs'; readonly vmcs: VmcsName; readonly field: VmcsFieldName }
  | { readonly kind: 'msr'; readonly index: number }
  | { readonly kind: 'system'; readonly name: SystemRegister }
  | { readonly kind: 'apic'; readonly register: ApicRegisterName }
  | { readonly kind: 'irq'; readonly vector: number }
  | { readonly kind: 'exit' }

export interface Question {
  readonly target: Target
  readonly from: Edge
}

export type Answer = Question | { readonly end: WhyEnd; readonly operands?: readonly Location[] }
export type Search<T> = Generator<Place, T, void>

/** The instruction before which a write happened, with its CPU standing there. */
export interface Scene {
  readonly engine: Engine
  readonly instruction: Instruction | null
  readonly rip: bigint
  readonly level: number
  readonly written: Written
}

/** Where it was written lies farther back than was to be looked. */
export class TooFar {
  readonly olderThan: Place

  constructor(olderThan: Place) {
    this.olderThan = olderThan
  }
}

export class Scenes {
  readonly steps: WhyStep[] = []
  readonly timeline: Timeline
  /** The CPU whose registers are asked about; memory may lead to another one. */
  cpu: number
  /** Instructions to look back over for each step. */
  readonly depth: number

  constructor(timeline: Timeline, cpu: number, depth: number) {
    this.timeline = timeline
    this.cpu = cpu
    this.depth = depth
  }

  // Where things were written.

  *scene(from: Edge, probe: Probe): Search<Scene | undefined> {
    const written = yield* lastWrite(this.timeline, from, probe, this.depth)
    if (written === undefined) return undefined
    if (isOlder(written)) throw new TooFar(written.olderThan)
    this.cpu = written.cpu
    return yield* this.standAt(written)
  }

  *standAt(written: Written): Search<Scene> {
    yield* this.timeline.seek(written.before)
    this.timeline.keepHere()
    const { machine } = this.timeline.here()
    const engine = machine.engines[written.cpu]!
    return {
      engine,
      instruction: written.instruction ?? instructionAt(engine),
      rip: engine.rip,
      level: levelOf(machine, written.cpu),
      written,
    }
  }

  /** The machine after a write, before the next one. */
  *behind({ after }: Written): Search<TimelineView> {
    return after.behind === 'event' ? yield* this.timeline.seekEvent(after.events) : yield* this.timeline.seek(after)
  }

  step(step: Omit<WhyStep, 'position' | 'depth' | 'cpu'> & { readonly depth?: 0 | 1 }): void {
    const { event, place } = step
    this.steps.push({ depth: 0, cpu: this.cpu, ...step, position: event === undefined ? `i:${place.instructions}` : `#${event}` })
  }

  /** A step at an instruction, with its source line. */
  at({ rip, level, written }: Scene, text: string, more: { note?: string; depth?: 0 | 1; event?: number } = {}): void {
    const source = sourceOf(this.timeline, rip)
    this.step({ place: written.before, level, rip, text, ...(source === undefined ? {} : { source }), ...more })
  }

  textOf({ instruction, rip }: Scene): string {
    if (instruction === null) return `the instruction at ${hex(rip)}`
    return formatInstruction(instruction, { address: rip, symbol: symbolsOf(this.timeline.reader.header.image).nameOf })
  }

  /** The events between the two moments of a write, with the one at which the machine stands where that is in the middle of KVM's work. */
  eventsOf({ before, after }: Written): readonly { readonly index: number; readonly event: TraceEvent }[] {
    const events: { index: number; event: TraceEvent }[] = []
    const end = after.behind === 'event' ? Math.min(after.events + 1, this.timeline.reader.count) : after.events
    for (let index = before.events; index < end; index++) events.push({ index, event: this.timeline.reader.event(index) })
    return events
  }

  find<K extends EventKind>(written: Written, kind: K): { readonly index: number; readonly event: EventOf<K> } | undefined {
    return this.eventsOf(written).find(({ event }) => event.kind === kind) as { index: number; event: EventOf<K> } | undefined
  }

  /** The VM exit that it was written at, or behind. */
  exitIn(written: Written): { readonly index: number; readonly name: string } | undefined {
    const exits = this.eventsOf(written).filter(({ event }) => EXIT.has(event.kind))
    const before = exits.findLast(({ index }) => written.stored !== undefined && index <= written.stored.events) ?? exits[0]
    return before && { index: before.index, name: exitText(basicExitReason((before.event as EventOf<'kvm_exit' | 'vmx_exit'>).reason)) }
  }

  lastEvent(before: number, wanted: (event: TraceEvent) => boolean): number {
    for (let index = before - 1; index >= 0; index--) if (wanted(this.timeline.reader.event(index))) return index
    return -1
  }

  /** A step at an event; where the run stood when it happened. */
  *told(index: number, text: string): Search<Place> {
    yield* this.timeline.seekEvent(index)
    const place = { instructions: this.timeline.instructionOfEvent(index), events: index }
    this.step({ place, event: index, level: this.timeline.reader.event(index).level, text })
    return place
  }

  ask({ engine, written }: Scene, source: Source): Answer {
    if (source.kind === 'register') return { target: { ...source }, from: written.before }
    if (source.kind !== 'memory') return { end: 'constant' }
    const host = hostOf(engine, source.address)
    if (host === undefined) return { end: 'unknown' }
    return { target: { kind: 'memory', host, bytes: source.bytes, linear: source.address }, from: written.before }
  }

  /** The deadline went back to 0 since it was written. */
  deadlineReached({ after }: Written, from: Place): void {
    const { kinds, reader } = this.timeline
    const fired = kinds.find(new Set<EventKind>(['apic_timer_fire', 'hrtimer_expire_entry']), after.events, 1)
    if (fired < 0 || fired >= from.events || this.steps.some(({ event }) => event !== undefined && event <= fired)) return
    this.step({ place: from, event: fired, level: reader.event(fired).level, text: 'deadline reached' })
  }

  portRead(scene: Scene, { port }: EventOf<'kvm_pio'>, note: string): Answer {
    this.at(scene, this.textOf(scene), { note: `${note}: port ${hex(port)}` })
    const input = this.timeline.kinds.find(new Set<EventKind>(['input']), scene.written.before.events - 1, -1)
    if (port < 0x3f8 || port > 0x3ff || input < 0) return { end: 'device' }
    this.step({ place: scene.written.before, event: input, level: 0, text: 'console input' })
    return { end: 'input' }
  }
}
