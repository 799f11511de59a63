/**
 * Why something holds what it holds: back through moves, memory, what KVM emulated, the copies between VMCSs, and timers, to where the
 * value began. Each step goes through the run before it again (see `last-write`), so nothing has to be recorded for it.
 */

import type { Location } from '../../query/location.ts'
import { valueAt } from '../location-value.ts'
import type { Place, Timeline, TimelineView } from '../timeline.ts'
import { guestRegisters, levelOf } from '../timeline-guest.ts'
import { pageWalk } from '../timeline-memory.ts'
import { symbolsOf } from '../timeline-symbols.ts'
import type { Cursor } from '../travel.ts'
import type { Why, WhyEnd } from './chain.ts'
import type { Answer, Search, Target } from './scenes.ts'
import { Tracer } from './tracer.ts'

const MOST_STEPS = 48

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
