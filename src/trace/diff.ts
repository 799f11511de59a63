/**
 * The difference of two traces: project both, align the keys, and say what is left over on either side. Times are never part
 * of a key: after the first exit that only one side takes, every tick differs. They are compared as growth since the event
 * before, inside stretches that agree.
 */

import { align, type Gap } from './align.ts'
import { type ConfigDifference, configDifferences, imageDifference } from './config-difference.ts'
import type { TraceReader } from './file.ts'
import { comparesLevels, looksAt, type ProjectedTrace, type Projection, project, symbolsOf } from './projection.ts'
import { type ExitRow, exitStatisticsOf } from './statistics.ts'

export interface DiffOptions {
  readonly by: Projection
  /** Cycles by which the growth of times may differ; 0 unless given. */
  readonly tolerance?: number
}

/** One place where the traces differ; numbers are places in the traces. */
export interface Hunk {
  readonly kind: 'events' | 'time'
  /** Events that only A has; for a difference in time the one event. */
  readonly a: readonly number[]
  readonly b: readonly number[]
  /** The compared events in front of the hunk, -1 where there is none. */
  readonly before: readonly [a: number, b: number]
  /** The compared events behind the hunk, -1 where there is none. */
  readonly after: readonly [a: number, b: number]
  /** Cycles since the event before, for a difference in time. */
  readonly growth?: readonly [a: number, b: number]
}

/** Hunks of the same make: the same kinds of events in the same order. */
export interface HunkGroup {
  readonly first: Hunk
  readonly count: number
  /** Where the first of them are: the first event, or the one they stand before, on each side. */
  readonly at: readonly (readonly [a: number, b: number])[]
}

/** Exits of one level, reason and MSR on both sides. */
export interface ExitChange extends Pick<ExitRow, 'level' | 'reason' | 'msr'> {
  readonly a: number
  readonly b: number
}

export interface TraceDiff {
  readonly by: Projection
  readonly tolerance: number
  /** No hunks. The exit counts may differ all the same when `by` does not look at exits. */
  readonly equal: boolean
  /** No hunks but those in time. */
  readonly sameEvents: boolean
  readonly hunkCount: number
  /** In order; the first 100,000. */
  readonly hunks: readonly Hunk[]
  readonly groups: readonly HunkGroup[]
  readonly config: readonly ConfigDifference[]
  readonly image: string | undefined
  readonly exits: readonly ExitChange[]
  readonly sameExits: boolean
  /** Cycles from exit to entry on each side, sleeping in HLT apart. */
  readonly exitTicks: readonly [a: number, b: number]
  /** Largest difference in growth that was seen, tolerated or not; 0 for projections without time. */
  readonly largestTimeDelta: number
}

const MAX_HUNKS = 100_000
const MAX_PLACES = 1_000

/** Hunks longer than this are told apart by their first events and their length. */
const SIGNATURE_EVENTS = 32

/** Gathers hunks and groups them as they come. */
class HunkList {
  readonly hunks: Hunk[] = []
  readonly groups = new Map<string, { first: Hunk; count: number; at: [number, number][] }>()
  count = 0

  add(signature: string, hunk: () => Hunk): void {
    this.count++
    const group = this.groups.get(signature)
    if (group && group.at.length >= MAX_PLACES && this.hunks.length >= MAX_HUNKS) {
      group.count++
      return
    }
    const made = hunk()
    if (this.hunks.length < MAX_HUNKS) this.hunks.push(made)
    const place: [number, number] = [made.a[0] ?? made.after[0], made.b[0] ?? made.after[1]]
    if (!group) this.groups.set(signature, { first: made, count: 1, at: [place] })
    else {
      group.count++
      if (group.at.length < MAX_PLACES) group.at.push(place)
    }
  }
}

/** Compares two traces. */
export function diffTraces(a: TraceReader, b: TraceReader, { by, tolerance = 0 }: DiffOptions): TraceDiff {
  const looks = looksAt(a, b, by)
  const left = project(a, looks.a)
  const right = project(b, looks.b)
  const symbols = symbolsOf(left, right, comparesLevels(looks.a, left.deepestLevel, right.deepestLevel))
  const gaps = settled(align(symbols.a, symbols.b, symbols.count), symbols, left, right)
  const list = new HunkList()
  const comparesTime = by === 'timing' || by === 'all'
  let largestTimeDelta = 0
  let from: Pick<Gap, 'aEnd' | 'bEnd'> = { aEnd: 0, bEnd: 0 }
  const end: Gap = { aStart: left.count, aEnd: left.count, bStart: right.count, bEnd: right.count }
  for (const gap of [...gaps, end]) {
    if (comparesTime)
      largestTimeDelta = Math.max(largestTimeDelta, compareTimes(list, left, right, { ...from, length: gap.aStart - from.aEnd, tolerance }))
    if (gap !== end) list.add(signatureOf(gap, left, right), () => eventHunk(gap, left, right))
    from = gap
  }
  const exitsA = exitStatisticsOf(a)
  const exitsB = exitStatisticsOf(b)
  const exits = exitChanges(exitsA, exitsB)
  return {
    by,
    tolerance,
    equal: list.count === 0,
    sameEvents: gaps.length === 0,
    hunkCount: list.count,
    hunks: list.hunks,
    groups: [...list.groups.values()],
    config: configDifferences(a.header, b.header),
    image: imageDifference(a.header, b.header),
    exits,
    sameExits: exits.every(change => change.a === change.b),
    exitTicks: [awakeTicks(exitsA), awakeTicks(exitsB)],
    largestTimeDelta,
  }
}

/** A gap of one side alone may stand anywhere among equal events; it starts with a VM exit when it can, so that the same change reads the same. */
function settled(gaps: readonly Gap[], symbols: { a: Int32Array; b: Int32Array }, a: ProjectedTrace, b: ProjectedTrace): Gap[] {
  let aFree = 0
  let bFree = 0
  return gaps.map(gap => {
    const shift = shiftOf(gap, symbols, a, b, Math.min(gap.aStart - aFree, gap.bStart - bFree))
    aFree = gap.aEnd - shift
    bFree = gap.bEnd - shift
    return { aStart: gap.aStart - shift, aEnd: aFree, bStart: gap.bStart - shift, bEnd: bFree }
  })
}

function shiftOf(
  { aStart, aEnd, bStart, bEnd }: Gap,
  symbols: { a: Int32Array; b: Int32Array },
  a: ProjectedTrace,
  b: ProjectedTrace,
  room: number,
): number {
  if (aStart < aEnd && bStart < bEnd) return 0
  const [sequence, isExit, start, end] = aStart < aEnd ? [symbols.a, a.isExit, aStart, aEnd] : [symbols.b, b.isExit, bStart, bEnd]
  for (let shift = 0; shift <= room && shift < end - start; shift++) {
    if (isExit[start - shift]) return shift
    if (sequence[start - shift - 1] !== sequence[end - shift - 1]) return 0
  }
  return 0
}

function signatureOf({ aStart, aEnd, bStart, bEnd }: Gap, a: ProjectedTrace, b: ProjectedTrace): string {
  const side = ({ shape }: ProjectedTrace, start: number, end: number): string =>
    `${end - start}:${shape.subarray(start, Math.min(end, start + SIGNATURE_EVENTS)).join(',')}`
  return `${side(a, aStart, aEnd)} ${side(b, bStart, bEnd)}`
}

const placesOf = ({ index }: ProjectedTrace, start: number, end: number): number[] => Array.from(index.subarray(start, end))

const placeAt = ({ index, count }: ProjectedTrace, item: number): number => (item >= 0 && item < count ? index[item]! : -1)

const eventHunk = ({ aStart, aEnd, bStart, bEnd }: Gap, a: ProjectedTrace, b: ProjectedTrace): Hunk => ({
  kind: 'events',
  a: placesOf(a, aStart, aEnd),
  b: placesOf(b, bStart, bEnd),
  before: [placeAt(a, aStart - 1), placeAt(b, bStart - 1)],
  after: [placeAt(a, aEnd), placeAt(b, bEnd)],
})

interface Stretch {
  readonly aEnd: number
  readonly bEnd: number
  readonly length: number
  readonly tolerance: number
}

/** The times of a stretch of equal events that starts at (aEnd, bEnd), where the gap before it ends. Returns the largest difference. */
function compareTimes(list: HunkList, a: ProjectedTrace, b: ProjectedTrace, { aEnd, bEnd, length, tolerance }: Stretch): number {
  let largest = 0
  const lastTimes = new Map<number, readonly [bigint, bigint]>()
  for (let i = 0; i < length; i++) {
    const x = aEnd + i
    const y = bEnd + i
    let growth: [number, number] = i === 0 ? [0, 0] : [a.tick[x]! - a.tick[x - 1]!, b.tick[y]! - b.tick[y - 1]!]
    const times: readonly [bigint, bigint] = [a.time[x] ?? 0n, b.time[y] ?? 0n]
    if (times[0] !== 0n) {
      const last = lastTimes.get(a.shape[x]!)
      lastTimes.set(a.shape[x]!, times)
      const ofField: [number, number] = last ? [Number(times[0] - last[0]), Number(times[1] - last[1])] : [0, 0]
      if (Math.abs(ofField[1] - ofField[0]) > Math.abs(growth[1] - growth[0])) growth = ofField
    }
    const delta = Math.abs(growth[1] - growth[0])
    largest = Math.max(largest, delta)
    if (delta <= tolerance) continue
    list.add(`time ${a.shape[x]}`, () => ({
      kind: 'time',
      a: [a.index[x]!],
      b: [b.index[y]!],
      before: [placeAt(a, x - 1), placeAt(b, y - 1)],
      after: [placeAt(a, x + 1), placeAt(b, y + 1)],
      growth,
    }))
  }
  return largest
}

const awakeTicks = (rows: readonly ExitRow[]): number => rows.reduce((sum, { reason, ticks }) => sum + (reason === 'HLT' ? 0 : ticks), 0)

/** Both tables as one: what changed most first, then what did not. */
export function exitChanges(a: readonly ExitRow[], b: readonly ExitRow[]): ExitChange[] {
  const changes = new Map<string, ExitChange & { reasonNumber: number }>()
  const add = (rows: readonly ExitRow[], side: 'a' | 'b'): void => {
    for (const { level, reason, reasonNumber, msr, samples } of rows) {
      const key = `${level} ${reasonNumber} ${msr}`
      const change = changes.get(key) ?? { level, reason, reasonNumber, ...(msr === undefined ? {} : { msr }), a: 0, b: 0 }
      changes.set(key, { ...change, [side]: samples })
    }
  }
  add(a, 'a')
  add(b, 'b')
  const size = (change: ExitChange): number => Math.abs(change.b - change.a)
  return [...changes.values()]
    .sort((x, y) => size(y) - size(x) || y.a - x.a || x.level - y.level || x.reasonNumber - y.reasonNumber || (x.msr ?? -1) - (y.msr ?? -1))
    .map(({ level, reason, msr, a: before, b: after }) => ({ level, reason, ...(msr === undefined ? {} : { msr }), a: before, b: after }))
}
