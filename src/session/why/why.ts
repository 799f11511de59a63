/**
 * Why something holds what it holds: back through moves, memory, what KVM emulated, the copies between VMCSs, and timers, to where the
 * value began. Each step goes through the run before it again (see `last-write`), so nothing has to be recorded for it.
 */

import type { Location } from '../../query/location.ts'
import { TRACE_EVENTS } from '../../spec/trace-events.ts'
import { valueAt } from '../location-value.ts'
import type { Timeline, TimelineView } from '../timeline.ts'
import { guestRegisters, levelOf } from '../timeline-guest.ts'
import { pageWalk } from '../timeline-memory.ts'
import { symbolsOf } from '../timeline-symbols.ts'
import type { Cursor } from '../travel.ts'
import type { Why, WhyEnd, WhyStep } from './chain.ts'
import type { Edge } from './last-write.ts'
import { type Answer, type Question, type Search, type Target, TooFar } from './scenes.ts'
import { Tracer } from './tracer.ts'

const MOST_STEPS = 48

/** Some seconds' worth of instructions. */
export const WHY_DEPTH = 2_000_000

/** The chain behind what a location holds at a cursor; each step looks back over `depth` instructions at most. */
export function* why(timeline: Timeline, cursor: Cursor, location: Location, depth = WHY_DEPTH): Search<Why> {
  const view = yield* viewAt(timeline, cursor)
  const registers = guestRegisters(view)
  const value = valueAt(view, location, registers)
  const symbol = symbolsOf(timeline.reader.header.image).nameOf(registers.rip)
  const level = levelOf(view.machine, view.cpu)
  const tracer = new Tracer(timeline, view.cpu, depth)
  const target = targetOf(view, location)
  const from = target === undefined ? cursor : fromOf(timeline, cursor, view, target)
  const position = cursor.event === undefined ? `i:${cursor.instructions}` : `#${cursor.event}`
  const { end, operands = [] } = target === undefined ? UNKNOWN : yield* chain(tracer, { target, from })
  return { location, value, position, level, symbol, steps: collapsed(tracer.steps), end, depth, operands }
}

type End = Extract<Answer, { end: WhyEnd }>

const UNKNOWN: End = { end: 'unknown' }

function* chain(tracer: Tracer, question: Question): Search<End> {
  let answer: Answer = question
  try {
    while ('target' in answer && tracer.steps.length < MOST_STEPS) answer = yield* tracer.explain(answer)
  } catch (thrown) {
    if (thrown instanceof TooFar) return { end: 'older' }
    throw thrown
  }
  return 'target' in answer ? { end: 'length' } : answer
}

/** Of a loop that goes on from its own result, the newest and the oldest step that were followed. */
function collapsed(steps: readonly WhyStep[]): readonly WhyStep[] {
  const rows: { readonly step: WhyStep; readonly count: number }[] = []
  for (const step of steps) {
    const last = rows.at(-1)
    const isSame = last !== undefined && step.depth === last.step.depth && step.rip !== undefined && step.rip === last.step.rip
    if (isSame && last.count > 1) rows[rows.length - 1] = { step, count: last.count + 1 }
    else rows.push({ step, count: isSame ? 2 : 1 })
  }
  return rows.map(({ step, count }) => (count > 2 ? { ...step, note: `${count} times, going back` } : step))
}

/** Before what the answer lies. At an event the machine is what it was then; a question about events takes the event itself along. */
function fromOf({ reader }: Timeline, cursor: Cursor, { instructions }: TimelineView, { kind }: Target): Edge {
  const { event } = cursor
  if (event === undefined) return cursor
  if (kind === 'irq' || kind === 'exit' || TRACE_EVENTS[reader.event(event).kind].by !== 'kvm') return { instructions, events: event + 1 }
  return { instructions, events: event, behind: 'event' }
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
    case 'system':
    case 'apic':
    case 'irq':
    case 'exit':
      return location
  }
}
