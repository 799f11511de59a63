/** From the text of a position to a cursor in a trace: one implementation for the commands, gdb, the explorer and tests. */

import type { Image } from '../assembler/image.ts'
import { nearest } from '../base/suggest.ts'
import { type Place as NamedPlace, POSITION_FORMS, type Position, parsePosition, resolvePosition } from '../query/position.ts'
import type { EventKind, EventOf } from '../spec/trace-events.ts'
import { addressOfLine } from './source-lines.ts'
import type { Place, Timeline } from './timeline.ts'
import { guestTimer, tickOfGuestTsc } from './timeline-guest.ts'
import { type Cursor, placeOf, START, searchForward } from './travel.ts'

/** What is wrong, and what would be right. */
export interface NoPosition {
  readonly problem: string
  readonly help: string
}

export type Located = Cursor | NoPosition

export const isNowhere = (located: object): located is NoPosition => 'problem' in located

const nowhere = (problem: string, help: string): NoPosition => ({ problem, help })

/** Marks by their letters. */
export type Marks<M = Cursor> = ReadonlyMap<string, M>

/** The trace that a text is a position of. */
export interface Locatable {
  readonly image: Image
  /** Events. */
  readonly count: number
  readonly instructions: number
}

const labelsOf = ({ symbols }: Image): string[] => symbols.filter(({ kind }) => kind === 'label').map(({ name }) => name)

/** What a text means: a place, a mark's, or a position that only a run of the trace can tell. */
export function placeNamed<M>(
  { image, count, instructions }: Locatable,
  text: string,
  marks: Marks<M>,
): NamedPlace | { readonly kind: 'marked'; readonly at: M } | Extract<Position, { kind: RunKind }> | NoPosition {
  const labels = labelsOf(image)
  const position = parsePosition(text, new Set(labels))
  if (position === undefined) {
    const near = nearest(text.trim(), labels)
    return nowhere(`\`${text}\` is no position`, near === undefined ? `write ${POSITION_FORMS}` : `did you mean \`${near}\`?`)
  }
  switch (position.kind) {
    case 'mark': {
      const at = marks.get(position.name)
      if (at === undefined) return nowhere(`there is no mark ${text}`, 'set one with m and its letter in `vtick explore`')
      return { kind: 'marked', at }
    }
    case 'tsc':
    case 'visit':
    case 'line':
    case 'fail':
      return position
    default: {
      const place = resolvePosition(position, count)
      if (place === undefined) return nowhere(`the trace has no event ${text}`, `its last is #${count - 1}, or @end`)
      if (place.kind === 'instruction' && place.count > instructions)
        return nowhere(`the run has no instruction ${place.count}`, `its last is i:${instructions}, or @end`)
      return place
    }
  }
}

type RunKind = 'tsc' | 'visit' | 'line' | 'fail'

/** In pieces, since only a run of the trace can tell some of them. */
export function* locate(timeline: Timeline, text: string, marks: Marks = new Map()): Generator<Place, Located, void> {
  const { reader, instructions } = timeline
  const named = placeNamed({ image: reader.header.image, count: reader.count, instructions }, text, marks)
  if (isNowhere(named)) return named
  switch (named.kind) {
    case 'marked':
      return named.at
    case 'tsc':
      return yield* atTsc(timeline, named.value)
    case 'visit':
      return yield* atVisit(timeline, named)
    case 'line':
      return yield* atLine(timeline, named)
    case 'fail':
      return yield* atFailure(timeline)
    case 'event':
      return yield* atEvent(timeline, named.index)
    case 'instruction':
      return placeOf(yield* timeline.seek({ instructions: named.count, events: 0 }))
  }
}

function* atEvent(timeline: Timeline, event: number): Generator<Place, Cursor, void> {
  yield* timeline.seekEvent(event)
  return { instructions: timeline.instructionOfEvent(event), events: event + 1, event }
}

/** The first moment at which the guest's TSC reads at least this much. What the guest did to its TSC is followed event by event. */
function* atTsc(timeline: Timeline, value: bigint): Generator<Place, Located, void> {
  const { reader } = timeline
  let event = 0
  for (let tries = 0; tries < 8; tries++) {
    const view = yield* timeline.seekEvent(event)
    const next = Math.max(0, Math.min(reader.count - 1, reader.indexAtTick(tickOfGuestTsc(view, value))))
    if (next === event) break
    event = next
  }
  // An event further back, so that the moment lies behind.
  while (event > 0 && guestTimer(yield* timeline.seekEvent(event)).tsc >= value) event--
  const from = { instructions: timeline.instructionOfEvent(event), events: 0 }
  const reads = (): number => (guestTimer(timeline.here()).tsc >= value ? 0 : -1)
  const hit = yield* searchForward(timeline, from, { judge: () => ({ begin: reads, see: reads }), meansBefore: () => false })
  if (hit !== undefined && hit !== 'end') return hit.place
  const { tsc } = guestTimer(yield* timeline.seekEvent(reader.count - 1))
  return nowhere(`the guest's TSC never reads 0x${value.toString(16)}`, `at the end it reads 0x${tsc.toString(16)}`)
}

/** The moment before the instruction at a label runs for the so many-th time. */
function* atVisit(timeline: Timeline, { label, count }: Extract<Position, { kind: 'visit' }>): Generator<Place, Located, void> {
  const { symbols } = timeline.reader.header.image
  const symbol = symbols.find(({ name, kind }) => kind === 'label' && name === label)
  if (symbol === undefined) {
    const near = nearest(
      label,
      symbols.map(({ name }) => name),
    )
    return nowhere(`the program has no label \`${label}\``, near ? `did you mean \`${near}#${count}\`?` : 'write #EVENT or i:INSTRUCTION')
  }
  return yield* atAddress(timeline, { address: symbol.value, name: label, count })
}

/** The moment before a line of the source runs for the so many-th time. */
function* atLine(timeline: Timeline, { file, line, count }: Extract<Position, { kind: 'line' }>): Generator<Place, Located, void> {
  const address = addressOfLine(timeline.reader.header.image, file, line)
  if (typeof address !== 'number') return address
  return yield* atAddress(timeline, { address: BigInt(address), name: `${file}:${line}`, count })
}

interface Visit {
  readonly address: bigint
  readonly name: string
  readonly count: number
}

function* atAddress(timeline: Timeline, { address, name, count }: Visit): Generator<Place, Located, void> {
  const retiredAt = new Map<number, number>()
  let visits = 0
  let found: Place | undefined
  yield* timeline.seek(START)
  yield* timeline.scan({ instructions: Number.POSITIVE_INFINITY, events: 0 }, engine => {
    if (engine.rip !== address) return false
    const { index, cpu } = engine
    const isRetried = retiredAt.get(index) === cpu.instructions // it exited, or faulted, and was not done
    retiredAt.set(index, cpu.instructions)
    if (!isRetried && ++visits === count) found = timeline.place
    return found !== undefined
  })
  return found ?? nowhere(`\`${name}\` runs ${visits} times`, visits === 0 ? 'name code that runs' : `its last visit is ${name}#${visits}`)
}

const CONSOLE: ReadonlySet<EventKind> = new Set(['console'])

/** Where the first line of the console that begins with FAIL: ends; else the end, if the run ended badly. */
function* atFailure(timeline: Timeline): Generator<Place, Located, void> {
  const { reader, kinds } = timeline
  let line = ''
  for (let index = kinds.find(CONSOLE, 0, 1); index >= 0; index = kinds.find(CONSOLE, index + 1, 1)) {
    const { byte } = reader.event(index) as EventOf<'console'>
    line = byte === 10 ? '' : line + String.fromCharCode(byte)
    if (line === 'FAIL:') return yield* atEvent(timeline, index)
  }
  const { end } = reader
  if (end !== undefined && end !== null && (end.reason !== 'exit-port' || end.status !== 0))
    return yield* atEvent(timeline, reader.count - 1)
  return nowhere('nothing failed in this trace', 'write @end for its end')
}
