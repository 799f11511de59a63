/**
 * The recording as the screen sees it: events by number, searches, and the situation at a place. All of it is a function of the
 * file, so the model may ask and stay pure; what was asked for lately is kept.
 */

import type { Image } from '../assembler/image.ts'
import { assert } from '../base/assert.ts'
import { formatPosition, type Place } from '../query/position.ts'
import type { Progress, Recording } from '../session/record.ts'
import { configOf } from '../session/replay.ts'
import { openTimeline, type Timeline, type TimelineView } from '../session/timeline.ts'
import { type CodeRow, codeAround } from '../session/timeline-code.ts'
import { type GuestRegisters, type GuestTimer, guestRegisters, guestTimer } from '../session/timeline-guest.ts'
import { memoryRows, pageWalkRows } from '../session/timeline-pages.ts'
import { apicRows, cpuRows, type StateRow, vmcsRows } from '../session/timeline-state.ts'
import { Visits } from '../session/timeline-visits.ts'
import type { VmcsName } from '../session/timeline-vmcs.ts'
import type { EventKind, TraceEvent } from '../spec/trace-events.ts'
import type { TraceReader } from '../trace/file.ts'
import { EventIndex } from './event-index.ts'
import { type Approach, Lookout } from './lookout.ts'
import { Selection } from './selection.ts'

/** Where a place lies in the run, and the registers there. */
export interface Moment {
  readonly instructions: number
  /** The number of the next event. */
  readonly eventIndex: number
  readonly tick: number
  readonly cpu: number
  readonly registers: GuestRegisters
  readonly timer: GuestTimer
}

/** The views of the state that are rows of names and values. */
export type RowView = 'vmcs' | 'apic' | 'cpu' | 'memory'

export interface WantedRows {
  readonly view: RowView
  /** Undefined: the CPU whose turn it is. */
  readonly cpu: number | undefined
  /** Of the memory view. */
  readonly address: bigint
  /** Of the VMCS view. */
  readonly vmcs: VmcsName
}

/** A run that is being recorded. */
export interface LiveRun {
  readonly slices: Generator<Progress, Recording, boolean>
  /** The recording, when the slices have ended. */
  open(): TraceSource
}

/** A source that can be run again. */
export interface LiveGuest {
  /** The options that it is run with, as the command line takes them. */
  readonly words: readonly string[]
  /** Whether a file of it has changed since it was assembled. */
  isStale(): boolean
  /** Assembles it as it is now; a text is why that cannot be. */
  begin(): LiveRun | string
}

export interface TraceSource {
  /** Where the run is of a source, not of a trace file. */
  readonly live?: LiveGuest
  /** The recording, where it is in no file. */
  readonly bytes?: () => Uint8Array
  /** The file's name as the user gave it. */
  readonly name: string
  readonly count: number
  readonly instructions: number
  readonly cpus: number
  readonly image: Image
  readonly reader: TraceReader
  readonly timeline: Timeline
  readonly index: EventIndex
  readonly visits: Visits
  /** What decides how the guest ran, in few words: `apic_timer_virt=1`, or `bare`. */
  readonly mode: string
  /** Why the file ends early, if it does. */
  readonly truncated: string | undefined
  event(index: number): TraceEvent
  find(kinds: ReadonlySet<EventKind>, from: number, direction: 1 | -1): number
  /** Of the CPU whose turn it is, or of another. */
  moment(place: Place, cpu?: number): Moment
  code(place: Place, cpu?: number): readonly CodeRow[]
  rows(place: Place, wanted: WantedRows): readonly StateRow[]
  /** Whether the state at a place is known, or as good as known; else there is an approach to it. */
  isThere(place: Place): boolean
  approach(place: Place): Approach
  /** The event at a place, or the next one behind it: about where it is, while there is an approach to it. */
  eventBehind(place: Place): number
  /** Of an event, when it was emitted. */
  tick(place: Place): number
  /** The events that a filter lets through; the same object for the same filter. */
  select(filter: string): Selection
  /** The first event that the machine gave otherwise than recorded, as far as is known; -1 for none. */
  divergedAt(): number
}

/** Instructions disassembled before and behind the next one. */
const CODE_BEFORE = 64
const CODE_AFTER = 64
const MOST_KEPT = 256
const MOST_SELECTIONS = 12
/** A trace of so few events is known at once; a larger one in slices. */
const SMALL = 50_000

/** The values of the most recently used keys. */
class Recent<Value> {
  readonly #values = new Map<string, Value>()
  readonly #most: number

  constructor(most: number) {
    this.#most = most
  }

  has(key: string): boolean {
    return this.#values.has(key)
  }

  get(key: string, make: () => Value): Value {
    const value = this.#values.get(key) ?? make()
    this.#values.delete(key)
    this.#values.set(key, value)
    for (const oldest of this.#values.keys()) {
      if (this.#values.size <= this.#most) break
      this.#values.delete(oldest)
    }
    return value
  }
}

export function openTraceSource(reader: TraceReader, name: string): TraceSource {
  assert(reader.count > 0, 'there is something to explore')
  const timeline = openTimeline(reader)
  const lookout = new Lookout(timeline)
  const viewOf = (place: Place): TimelineView => lookout.view(place)
  const moments = new Recent<Moment>(MOST_KEPT)
  const codes = new Recent<readonly CodeRow[]>(MOST_KEPT)
  const rows = new Recent<readonly StateRow[]>(MOST_KEPT)
  const selections = new Recent<Selection>(MOST_SELECTIONS)
  const index = new EventIndex(reader)
  if (reader.count <= SMALL) index.advance(Number.POSITIVE_INFINITY)
  const { image } = reader.header
  const lookAt = (place: Place, cpu?: number): TimelineView => (cpu === undefined ? viewOf(place) : { ...viewOf(place), cpu })
  const keyOf = (place: Place, cpu?: number): string => `${formatPosition(place)} ${cpu}`
  const moment = (place: Place, cpu?: number): Moment => moments.get(keyOf(place, cpu), () => momentIn(lookAt(place, cpu)))
  const isThere = (place: Place): boolean => (moments.has(keyOf(place)) && codes.has(keyOf(place))) || lookout.isThere(place)
  const select = (filter: string): Selection => {
    const selection = new Selection(reader, filter)
    if (reader.count <= SMALL) selection.advance(Number.POSITIVE_INFINITY)
    return selection
  }
  return {
    name,
    count: reader.count,
    instructions: timeline.instructions,
    cpus: configOf(reader).machine.cpus,
    image,
    reader,
    timeline,
    index,
    visits: new Visits(reader),
    mode: modeOf(reader),
    truncated: reader.truncated,
    event: at => reader.event(at),
    find: (kinds, from, direction) => timeline.kinds.find(kinds, from, direction),
    moment,
    isThere,
    approach: place => lookout.approach(place),
    eventBehind: place => {
      if (place.kind === 'event') return place.index
      return isThere(place) ? moment(place).eventIndex : timeline.keyframes.guessedEvents(place.count)
    },
    tick: place => (place.kind === 'event' ? reader.event(place.index).tick : moment(place).tick),
    code: (place, cpu) =>
      codes.get(keyOf(place, cpu), () => {
        const { registers } = moment(place, cpu)
        return codeAround(lookAt(place, cpu), registers, image, CODE_BEFORE, CODE_AFTER)
      }),
    rows: (place, { view, cpu, address, vmcs }) =>
      rows.get(`${formatPosition(place)} ${view} ${cpu} ${view === 'memory' ? address : ''} ${vmcs}`, () => {
        const { registers } = moment(place, cpu)
        const at = lookAt(place, cpu)
        switch (view) {
          case 'memory':
            return [...pageWalkRows(at, registers, address), ...memoryRows(at, registers, image, address)]
          case 'vmcs':
            return vmcsRows(at, vmcs)
          case 'apic':
            return apicRows(at)
          case 'cpu':
            return cpuRows(at)
        }
      }),
    select: filter => selections.get(filter, () => select(filter)),
    divergedAt: () => timeline.divergedAt,
  }
}

const momentIn = (view: TimelineView): Moment => {
  const { instructions, eventIndex, tick, cpu } = view
  return { instructions, eventIndex, tick, cpu, registers: guestRegisters(view), timer: guestTimer(view) }
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
