/**
 * The last write of a register or of memory before a place: stretches of the run before it are gone through again, the last one first.
 * Behind each instruction a probe is asked whether that was a write; stores to memory are seen when they happen, whoever makes them.
 * Between two known states whose page of memory is the same one, nothing has to be looked through.
 */

import { PAGE_SIZE } from '../../base/units.ts'
import type { Engine } from '../../hw/cpu/engine.ts'
import type { Instruction } from '../../isa/instruction.ts'
import { MSRS } from '../../spec/msrs.ts'
import { isAfter, type Place, type Timeline } from '../timeline.ts'
import { levelOf } from '../timeline-guest.ts'
import { type MemoryView, pageWalk } from '../timeline-memory.ts'
import { writableRegisters } from './dataflow.ts'

/** A moment, or what may stand behind the moment at its place: a known state, or KVM in the middle of its work, at an event. */
export interface Edge extends Place {
  readonly behind?: 'state' | 'event'
}

/** Between two moments of a CPU something was written. */
export interface Written {
  readonly cpu: number
  readonly before: Place
  readonly after: Edge
  /** The instruction in between, if that wrote it; null: somebody else did. */
  readonly instruction: Instruction | null
  /** Of memory: where exactly. */
  readonly stored?: Place
}

/** Who changed what is asked for since the moment before, at which it was `remembered`. */
export type Verdict = 'instruction' | 'other' | null

/** What is asked about a register of a CPU at each of its moments. */
export interface RegisterProbe {
  readonly kind: 'register'
  readonly cpu: number
  /** Only from moments of this level on. */
  readonly level?: number
  remember(engine: Engine): bigint
  /** `executed` is the instruction since then, null where there was none; `isRetired`: it was not left by an exit or a fault. */
  judge(remembered: bigint, engine: Engine, executed: Instruction | null, isRetired: boolean): Verdict
}

/** Memory by its host-physical address, whoever writes it by whatever address. */
export interface MemoryProbe {
  readonly kind: 'memory'
  readonly address: number
  readonly bytes: number
}

export type Probe = RegisterProbe | MemoryProbe

/** Not in as many instructions as may be looked through: it is older. */
export interface Older {
  readonly olderThan: Place
}

export const isOlder = (found: Written | Older | undefined): found is Older => found !== undefined && 'olderThan' in found

const FIRST_STRETCH = 256

/** Looks through `depth` instructions at most, not counting those that cannot have written it. Undefined: it was never written. */
export function* lastWrite(
  timeline: Timeline,
  from: Edge,
  probe: Probe,
  depth: number,
): Generator<Place, Written | Older | undefined, void> {
  let left = depth
  let length = FIRST_STRETCH
  let end: Edge = from
  for (;;) {
    const unwritten = probe.kind === 'memory' ? unwrittenSince(timeline, end, probe) : undefined
    if (unwritten !== undefined) end = { ...unwritten, behind: 'state' }
    else if (left <= 0) return { olderThan: end }
    else {
      const begin: Edge = yield* goBack(timeline, end, Math.min(length, left))
      const found = probe.kind === 'memory' ? yield* lastStore(timeline, end, probe) : yield* lastRegisterWrite(timeline, end, probe)
      if (found !== undefined) return found
      left -= end.instructions - begin.instructions
      length *= 8
      end = begin
    }
    if (end.behind === 'state' && !isAfter(end, timeline.keyframes.place(0))) return undefined
    yield end
  }
}

/** So many instructions, but not before the keyframe from which they would be run anyway. */
function* goBack(timeline: Timeline, end: Place, length: number): Generator<Place, Edge, void> {
  const keyframe = timeline.keyframes.before(end)
  const place = timeline.keyframes.place(keyframe)
  const begin = { instructions: end.instructions - length, events: 0 }
  if (begin.instructions > place.instructions) {
    yield* timeline.seek(begin)
    timeline.keepHere()
    return begin
  }
  yield* timeline.seekKeyframe(keyframe)
  return { ...place, behind: 'state' }
}

/** The moment at which a stretch has been looked through. */
const momentBehind = ({ instructions, events, behind }: Edge): Place => ({
  instructions,
  events: behind === undefined ? events : events + 1,
})

/** The earliest known state before `end` since which the bytes were not written; undefined where none is known. */
function unwrittenSince(timeline: Timeline, end: Edge, { address, bytes }: MemoryProbe): Place | undefined {
  const pages = [Math.floor(address / PAGE_SIZE), Math.floor((address + bytes - 1) / PAGE_SIZE)]
  return (
    timeline.keptUnwritten(end, momentBehind(end), pages) ??
    (end.behind === 'state' ? timeline.keyframes.unwrittenSince(end, pages) : undefined)
  )
}

interface Passed {
  readonly place: Place
  readonly remembered: bigint
  readonly retired: number
  readonly current: Instruction
}

/** From where the timeline stands. */
function* lastRegisterWrite(timeline: Timeline, end: Edge, probe: RegisterProbe): Generator<Place, Written | undefined, void> {
  const { cpu: asked, level } = probe
  const until = momentBehind(end)
  let last: Passed | null = null
  let found: Written | undefined
  yield* timeline.scan(until, engine => {
    const { machine, index, cpu, current } = engine
    if (index !== asked) return false
    const { place } = timeline
    if (isAfter(place, until)) return false
    if (last !== null) {
      const isRetired = cpu.instructions > last.retired
      const executed = isRetired || current !== last.current ? current : null
      const verdict = probe.judge(last.remembered, engine, executed, isRetired)
      if (verdict !== null)
        found = { cpu: asked, before: last.place, after: place, instruction: verdict === 'instruction' ? executed : null }
    }
    const isAsked = level === undefined || levelOf(machine, index) === level
    last = isAsked ? { place, remembered: probe.remember(engine), retired: cpu.instructions, current } : null
    return false
  })
  return found
}

interface Store {
  readonly cpu: number
  readonly at: Place
  readonly before: Place
  /** What the CPU had retired. */
  readonly retired: number
  /** Its instruction, not the delivery of an event behind it, may have made the store. */
  readonly isByInstruction: boolean
}

/** From where the timeline stands. */
function* lastStore(timeline: Timeline, end: Edge, { address, bytes }: MemoryProbe): Generator<Place, Written | undefined, void> {
  const { machine } = timeline.here()
  const until = momentBehind(end)
  const moments = machine.cpus.map(() => ({ instructions: 0, events: 0, retired: -1 }))
  let store: Store | null = null
  let found: Written | undefined
  const see = (): void => {
    const { place } = timeline
    if (isAfter(place, end)) return
    const cpu = machine.running
    const retired = machine.cpus[cpu]!.instructions
    const moment = moments[cpu]!
    store = { cpu, at: place, before: moment.retired < 0 ? place : { ...moment }, retired, isByInstruction: moment.retired === retired }
  }
  const settle = (engine: Engine, after: Edge): void => {
    if (store === null || store.cpu !== engine.index) return
    const isOwn = store.isByInstruction && engine.cpu.instructions > store.retired
    const { cpu, at, before } = store
    found = {
      cpu,
      before,
      after,
      stored: at,
      instruction: isOwn ? engine.current : null,
    }
    store = null
  }
  yield* timeline.scan(
    until,
    engine => {
      const { index, cpu } = engine
      const { place } = timeline
      settle(engine, isAfter(place, end) ? end : place)
      const moment = moments[index]!
      moment.instructions = place.instructions
      moment.events = place.events
      moment.retired = cpu.instructions
      return false
    },
    { address, bytes, see },
  )
  const pending = store as Store | null
  if (pending !== null) settle(machine.engines[pending.cpu]!, end)
  return found
}

export function registerProbe(cpu: number, index: number, level?: number): RegisterProbe {
  const bit = 1 << index
  return {
    kind: 'register',
    cpu,
    ...(level === undefined ? {} : { level }),
    remember: ({ registers }) => registers.gpr[index]!,
    judge: (remembered, { registers }, executed, isRetired) => {
      if (isRetired && executed !== null && (writableRegisters(executed) & bit) !== 0) return 'instruction'
      return registers.gpr[index] === remembered ? null : 'other'
    },
  }
}

/** WRMSR of this MSR, done by the processor or by KVM. */
export const msrProbe = (cpu: number, index: number, level: number): RegisterProbe => ({
  kind: 'register',
  cpu,
  level,
  remember: ({ registers }) => BigInt.asUintN(32, registers.gpr[1]!),
  judge: (remembered, _, executed) => (executed?.row.mnemonic === 'WRMSR' && Number(remembered) === index ? 'instruction' : null),
})

export const hostProbe = (address: number, bytes: number): MemoryProbe => ({ kind: 'memory', address, bytes })

/** Host-physical address of a linear one of the program that runs. */
export function hostOf({ machine, index, registers, cpu }: Engine, linear: bigint): number | undefined {
  const { cr, pdpte } = registers
  const view: MemoryView = { machine, cpu: index }
  const paging = { cr0: cr[0]!, cr3: cr[3]!, cr4: cr[4]!, efer: cpu.msrs[MSRS.MSR_EFER.index] ?? 0n, pdptes: [...pdpte] }
  return pageWalk(view, paging, linear).host
}
