/** One step of a kind, forward and backward: what the keys of the explorer and the step commands of gdb do. */

import { type Image, lineAt } from '../assembler/image.ts'
import type { Engine } from '../hw/cpu/engine.ts'
import { RSP } from '../isa/operands.ts'
import type { EventKind } from '../spec/trace-events.ts'
import { instructionAt } from './instruction-at.ts'
import type { Place, Timeline } from './timeline.ts'
import { levelOf } from './timeline-guest.ts'
import {
  type Cursor,
  edge,
  isBefore,
  type Journey,
  type Judge,
  momentBefore,
  placeOf,
  START,
  searchBackward,
  searchForward,
  toEvent,
} from './travel.ts'

/**
 * instruction: retired, or exited. line: another source line begins. over: an instruction with whatever it calls, or exits to, or enters.
 * out: the function that runs returns; backward, the call of it. level: another level's code runs. The others: an event of that kind.
 */
export const STEP_KINDS = ['instruction', 'line', 'over', 'out', 'level', 'event', 'exit', 'entry', 'timer', 'interrupt', 'msr'] as const
export type StepKind = (typeof STEP_KINDS)[number]

const ofKinds = (...kinds: readonly EventKind[]): ReadonlySet<EventKind> => new Set(kinds)

/** The events of those steps that go by events. An entry is done or refused; a timer is armed, handed over, fires. */
export const STEP_EVENTS = {
  exit: ofKinds('kvm_exit', 'vmx_exit'),
  entry: ofKinds('kvm_entry', 'vmx_entry', 'vmx_entry_failed'),
  timer: ofKinds(
    'apic_timer_arm',
    'apic_timer_fire',
    'kvm_hv_timer_state',
    'kvm_apic_virt_timer_state',
    'kvm_wait_lapic_expire',
    'hrtimer_start',
    'hrtimer_cancel',
    'hrtimer_expire_entry',
  ),
  interrupt: ofKinds('interrupt', 'kvm_inj_virq'),
  msr: ofKinds('kvm_msr'),
} as const satisfies Partial<Record<StepKind, ReadonlySet<EventKind>>>
export type EventStep = keyof typeof STEP_EVENTS
export const EVENT_STEPS = Object.keys(STEP_EVENTS) as EventStep[]

export function stepForward(timeline: Timeline, from: Cursor, kind: StepKind): Journey {
  return step(timeline, from, kind, 1)
}

export function stepBackward(timeline: Timeline, from: Cursor, kind: StepKind): Journey {
  return step(timeline, from, kind, -1)
}

function step(timeline: Timeline, from: Cursor, kind: StepKind, direction: 1 | -1): Journey {
  if (kind === 'instruction') return direction === 1 ? nextInstruction(timeline, from) : previousInstruction(timeline, from)
  if (kind === 'event') return toEvent(timeline, from, index => (index >= 0 && index < timeline.reader.count ? index : -1), direction)
  const kinds = kind in STEP_EVENTS ? STEP_EVENTS[kind as EventStep] : undefined
  if (kinds !== undefined) return toEvent(timeline, from, index => timeline.kinds.find(kinds, index, direction), direction)
  return direction === 1 ? onward(timeline, from, kind as CodeStep) : backward(timeline, from, kind as CodeStep)
}

type CodeStep = 'line' | 'over' | 'out' | 'level'

function* nextInstruction(timeline: Timeline, from: Place): Journey {
  yield* timeline.seek(from)
  const next = timeline.nextMoment()
  return next === undefined ? { place: from, reason: { kind: 'end' } } : { place: placeOf(next), reason: { kind: 'step' } }
}

function* previousInstruction(timeline: Timeline, from: Place): Journey {
  if (!isBefore(placeOf(yield* timeline.seek(START)), from)) return { place: from, reason: { kind: 'begin' } }
  return { place: yield* momentBefore(timeline, from), reason: { kind: 'step' } }
}

function* onward(timeline: Timeline, from: Place, kind: CodeStep): Journey {
  const hit = yield* searchForward(timeline, from, { judge: () => forwardJudge(timeline, kind), meansBefore: () => false })
  return hit === undefined || hit === 'end' ? yield* edge(timeline, 1) : { place: hit.place, reason: { kind: 'step' } }
}

/** A source line by its place in the image; undefined for code that has none. */
function lineOf(image: Image, { rip }: Engine): string | undefined {
  if (image.lines.length === 0) return undefined
  const line = lineAt(image, Number(rip))
  return line && `${line.source}:${line.line}`
}

/** Whose code runs, and how deep its stack is. */
interface Frame {
  readonly level: number
  readonly cpu: number
  readonly rip: bigint
  readonly rsp: bigint
}

const frameOf = ({ machine, index, registers, rip }: Engine): Frame => ({
  level: levelOf(machine, index),
  cpu: index,
  rip,
  rsp: registers.gpr[RSP]!,
})

const isSameProgram = (a: Frame, b: Frame): boolean => a.level === b.level && a.cpu === b.cpu

/** An instruction and where it stood. */
interface Passed extends Frame {
  readonly place: Place
  readonly mnemonic: string
  /** Where it returns to, if it is a call. */
  readonly following: bigint
}

function passed(engine: Engine, place: Place): Passed {
  const instruction = instructionAt(engine)
  return {
    ...frameOf(engine),
    place,
    mnemonic: instruction?.row.mnemonic ?? '',
    following: BigInt.asUintN(64, engine.rip + BigInt(instruction?.length ?? 0)),
  }
}

const isCall = ({ mnemonic }: Passed): boolean => mnemonic.startsWith('CALL')
const isReturn = ({ mnemonic }: Passed): boolean => mnemonic.startsWith('RET')

/** Calls of one program that have not returned. */
class Calls {
  readonly #open: Passed[] = []
  readonly #program: Frame
  #last: Passed | null = null

  constructor(program: Frame) {
    this.#program = program
  }

  get innermost(): Passed | undefined {
    return this.#open.at(-1)
  }

  /** True: what ran before was a return that belongs to no call seen here. */
  see(engine: Engine, place: Place): boolean {
    const here = passed(engine, place)
    if (!isSameProgram(here, this.#program)) return false
    const last = this.#last
    this.#last = here
    if (last === null) return false
    if (last.mnemonic.startsWith('IRET')) return here.rsp > this.#program.rsp
    if (isReturn(last)) return !this.#closed(here.rip)
    if (isCall(last)) this.#open.push(last)
    return false
  }

  #closed(rip: bigint): boolean {
    const at = this.#open.findLastIndex(({ following }) => following === rip)
    if (at >= 0) this.#open.length = at
    return at >= 0
  }
}

/** Where a step ends, once the moment that it starts from is known. */
type Ends = (engine: Engine, place: Place) => boolean

const ENDS: Readonly<Record<CodeStep, (start: Passed, image: Image, first: Engine) => Ends>> = {
  level: start => engine => levelOf(engine.machine, engine.index) !== start.level,
  line: (_, image, first) => {
    const line = lineOf(image, first)
    return engine => {
      const now = lineOf(image, engine)
      return now !== undefined && now !== line
    }
  },
  over: start => engine => {
    const here = frameOf(engine)
    return isSameProgram(here, start) && (!isCall(start) || (here.rip === start.following && here.rsp >= start.rsp))
  },
  out: (start, _, first) => {
    const calls = new Calls(start)
    calls.see(first, start.place)
    return (engine, place) => calls.see(engine, place)
  },
}

function forwardJudge(timeline: Timeline, kind: CodeStep): Judge {
  let ends: Ends = () => false
  return {
    begin: engine => {
      ends = ENDS[kind](passed(engine, timeline.place), timeline.reader.header.image, engine)
      return -1
    },
    see: engine => (ends(engine, timeline.place) ? 0 : -1),
  }
}

function* backward(timeline: Timeline, from: Place, kind: CodeStep): Journey {
  yield* timeline.seek(from)
  const { machine } = timeline.here()
  const start = passed(machine.engines[machine.turn.cpu]!, from)
  const place = yield* BACKWARD[kind](timeline, start)
  return place === undefined ? yield* edge(timeline, -1) : { place, reason: { kind: 'step' } }
}

type Search = Generator<Place, Place | undefined, void>

function* lastThat(timeline: Timeline, from: Place, isWanted: (engine: Engine) => boolean): Search {
  const ask = (engine: Engine): number => (isWanted(engine) ? 0 : -1)
  const hit = yield* searchBackward(timeline, from, { judge: () => ({ begin: ask, see: ask }), meansBefore: () => false })
  return hit?.place
}

const BACKWARD: Readonly<Record<CodeStep, (timeline: Timeline, start: Passed) => Search>> = {
  level: (timeline, { place, level }) => lastThat(timeline, place, ({ machine, index }) => levelOf(machine, index) !== level),
  line: lineBefore,
  over: overBackward,
  out: callBefore,
}

/** The beginning of a line, this one's or the one before. */
function* lineBefore(timeline: Timeline, { place }: Passed): Search {
  const { image } = timeline.reader.header
  const hit = yield* searchBackward(timeline, place, { judge: () => lineJudge(image), meansBefore: () => false })
  return hit?.place
}

function lineJudge(image: Image): Judge {
  let last: string | undefined
  const see = (engine: Engine): number => {
    const line = lineOf(image, engine)
    const isNew = line !== undefined && line !== last
    last = line
    return isNew ? 0 : -1
  }
  return { begin: see, see }
}

/** The instruction before, of the same program; if that returned, the call that it returned from. */
function* overBackward(timeline: Timeline, start: Passed): Search {
  const before = yield* lastThat(timeline, start.place, engine => isSameProgram(frameOf(engine), start))
  if (before === undefined) return undefined
  yield* timeline.seek(before)
  const { machine } = timeline.here()
  const engine = machine.engines[machine.turn.cpu]!
  if (!isReturn(passed(engine, before))) return before
  const released = instructionAt(engine)?.dst
  const rsp = start.rsp - (released?.kind === 'immediate' ? released.value : 0n) // RET n takes the arguments along
  const call = yield* lastThat(timeline, before, engine => {
    const here = frameOf(engine)
    if (!isSameProgram(here, start) || here.rsp !== rsp) return false
    const candidate = passed(engine, before)
    return isCall(candidate) && candidate.following === start.rip
  })
  return call ?? before
}

/** The call of the function that runs: the last one that has not returned. */
function* callBefore(timeline: Timeline, start: Passed): Search {
  for (let length = 4096; ; length *= 16) {
    const begin = { instructions: Math.max(0, start.place.instructions - length), events: 0 }
    const calls = new Calls(start)
    yield* timeline.seek(begin)
    yield* timeline.scan(start.place, engine => {
      calls.see(engine, timeline.place)
      return false
    })
    if (calls.innermost !== undefined) return calls.innermost.place
    if (begin.instructions === 0) return undefined
    yield begin
  }
}
