/**
 * The recording as the screen sees it: events by number, searches, and the situation at a place. All of it is a function of the
 * file, so the model may ask and stay pure; what was asked for lately is kept.
 */

import type { Image } from '../assembler/image.ts'
import { assert } from '../base/assert.ts'
import { formatPosition, type Place } from '../query/position.ts'
import { configOf } from '../session/replay.ts'
import { openTimeline, type Timeline, type TimelineView } from '../session/timeline.ts'
import { type CodeRow, codeAround } from '../session/timeline-code.ts'
import { type GuestRegisters, type GuestTimer, guestRegisters, guestTimer } from '../session/timeline-guest.ts'
import type { EventKind, TraceEvent } from '../spec/trace-events.ts'
import type { TraceReader } from '../trace/file.ts'

/** Where a place lies in the run, and the registers there. */
export interface Moment {
  readonly instructions: number
  /** The number of the next event. */
  readonly eventIndex: number
  readonly tick: number
  readonly registers: GuestRegisters
  readonly timer: GuestTimer
}

/** A moment with what the panes show of it. */
export interface Situation extends Moment {
  readonly code: readonly CodeRow[]
  /** The moment one event, or one instruction, before: what changes are marked against. */
  readonly before: Moment
}

export interface TraceSource {
  /** The file's name as the user gave it. */
  readonly name: string
  readonly count: number
  readonly instructions: number
  readonly image: Image
  /** What decides how the guest ran, in few words: `apic_timer_virt=1`, or `bare`. */
  readonly mode: string
  /** Why the file ends early, if it does. */
  readonly truncated: string | undefined
  event(index: number): TraceEvent
  find(kinds: ReadonlySet<EventKind>, from: number, direction: 1 | -1): number
  moment(place: Place): Moment
  situation(place: Place): Situation
  /** The first event that the machine gave otherwise than recorded, as far as is known; -1 for none. */
  divergedAt(): number
}

/** Instructions disassembled before and behind the next one. */
const CODE_BEFORE = 64
const CODE_AFTER = 64
const MOST_KEPT = 64

/** The values of the most recently used keys. */
class Recent<Value> {
  readonly #values = new Map<string, Value>()

  get(key: string, make: () => Value): Value {
    const value = this.#values.get(key) ?? make()
    this.#values.delete(key)
    this.#values.set(key, value)
    for (const oldest of this.#values.keys()) {
      if (this.#values.size <= MOST_KEPT) break
      this.#values.delete(oldest)
    }
    return value
  }
}

export function openTraceSource(reader: TraceReader, name: string): TraceSource {
  assert(reader.count > 0, 'there is something to explore')
  const timeline = openTimeline(reader)
  const moments = new Recent<Moment>()
  const situations = new Recent<Situation>()
  const { image } = reader.header
  const moment = (place: Place): Moment => moments.get(formatPosition(place), () => momentIn(viewOf(timeline, place)))
  const situation = (place: Place): Situation => {
    const before = moment(placeBefore(place)) // first: from there it is only a little further
    const view = viewOf(timeline, place)
    const here = moments.get(formatPosition(place), () => momentIn(view))
    return { ...here, before, code: codeAround(view, here.registers, image, CODE_BEFORE, CODE_AFTER) }
  }
  return {
    name,
    count: reader.count,
    instructions: timeline.instructions,
    image,
    mode: modeOf(reader),
    truncated: reader.truncated,
    event: index => reader.event(index),
    find: (kinds, from, direction) => timeline.kinds.find(kinds, from, direction),
    moment,
    situation: place => situations.get(formatPosition(place), () => situation(place)),
    divergedAt: () => timeline.divergedAt,
  }
}

const viewOf = (timeline: Timeline, place: Place): TimelineView =>
  place.kind === 'event' ? timeline.atEvent(place.index) : timeline.atInstruction(place.count)

const momentIn = (view: TimelineView): Moment => {
  const { instructions, eventIndex, tick } = view
  return { instructions, eventIndex, tick, registers: guestRegisters(view), timer: guestTimer(view) }
}

export const placeBefore = (place: Place): Place =>
  place.kind === 'event'
    ? { kind: 'event', index: Math.max(0, place.index - 1) }
    : { kind: 'instruction', count: Math.max(0, place.count - 1) }

function modeOf(reader: TraceReader): string {
  const { mode, parameters } = configOf(reader)
  if (mode === 'bare') return 'bare'
  const fallbacks = [...(parameters.enable_apicv ? [] : ['enable_apicv=0']), ...(parameters.preemption_timer ? [] : ['preemption_timer=0'])]
  return [`apic_timer_virt=${parameters.apic_timer_virt ? 1 : 0}`, ...fallbacks].join(' ')
}
