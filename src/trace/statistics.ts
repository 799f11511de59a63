/**
 * VM exits counted and timed, with the columns of `perf kvm stat`. The time of an exit runs to the next VM entry of the same CPU,
 * so an exit for HLT contains the sleep.
 */

import { type Image, lineAt } from '../assembler/image.ts'
import { exitReasonName } from '../spec/exit-reasons.ts'
import type { TraceEvent } from '../spec/trace-events.ts'
import { type Distribution, distributionOf, percentile } from './distribution.ts'
import { type ExitSpan, exitAddress, exitSpans, exitSpansOf } from './exit-walk.ts'
import type { TraceReader } from './file.ts'
import { msrLabel } from './format.ts'

/** How often, and how long: ticks from exit to entry, over the exits that an entry followed. */
export interface Latencies {
  readonly samples: number
  readonly ticks: number
  readonly min: number
  readonly max: number
  readonly avg: number
  readonly times: Distribution
}

/** What the exits of a row have in common; what they do not share is absent. */
export interface ExitGroup {
  /** Whose exit it is. */
  readonly level?: number
  /** Basic exit reason, as a number and in trace-cmd's word. */
  readonly reasonNumber?: number
  readonly reason?: string
  readonly msr?: number
  readonly vcpu?: number
  /** Address of the instruction, where no source line is known. */
  readonly rip?: bigint
  readonly file?: string
  readonly line?: number
}

export type StatRow = ExitGroup & Latencies

/** A row of the statistics by reason. */
export interface ExitRow extends Latencies {
  readonly level: number
  readonly reasonNumber: number
  readonly reason: string
  readonly msr?: number
}

export const STAT_GROUPS = ['reason', 'line', 'level', 'vcpu'] as const

export type StatGroup = (typeof STAT_GROUPS)[number]

const byReason = ({ level, reason, msr }: ExitSpan): Pick<ExitRow, 'level' | 'reasonNumber' | 'reason' | 'msr'> => ({
  level,
  reasonNumber: reason,
  reason: exitReasonName(reason),
  ...(msr === undefined ? {} : { msr }),
})

/** By source line, and by reason too: a line of a macro may exit for several. */
const byLine =
  (image: Image) =>
  (exit: ExitSpan): ExitGroup => {
    const address = exitAddress(exit)
    const place = lineAt(image, Number(address))
    const { file } = place === undefined ? {} : image.sources[place.source]!
    return { ...byReason(exit), ...(place === undefined || file === undefined ? { rip: address } : { file, line: place.line }) }
  }

const groupFunction = (by: StatGroup, image: Image): ((exit: ExitSpan) => ExitGroup) => {
  switch (by) {
    case 'reason':
      return byReason
    case 'line':
      return byLine(image)
    case 'level':
      return ({ level }) => ({ level })
    case 'vcpu':
      return exit => ({ vcpu: exit.cpu, ...byReason(exit) })
  }
}

interface Tally<G> {
  readonly group: G
  readonly key: string
  samples: number
  readonly times: Map<number, number>
}

const keyOf = ({ vcpu, level, reasonNumber, msr, file, line, rip }: ExitGroup): string =>
  [vcpu, level, reasonNumber, msr, file, line, rip].join(' ')

function grouped<G extends ExitGroup>(spans: Iterable<ExitSpan>, groupOf: (exit: ExitSpan) => G): (G & Latencies)[] {
  const tallies = new Map<string, Tally<G>>()
  for (const exit of spans) {
    const group = groupOf(exit)
    const key = keyOf(group)
    let tally = tallies.get(key)
    if (!tally) {
      tally = { group, key, samples: 0, times: new Map() }
      tallies.set(key, tally)
    }
    tally.samples++
    if (exit.ticks !== undefined) tally.times.set(exit.ticks, (tally.times.get(exit.ticks) ?? 0) + 1)
  }
  return [...tallies.values()].map(({ group, samples, times }) => ({ ...group, ...latencies(samples, times) })).sort(mostFrequentFirst)
}

function latencies(samples: number, counts: ReadonlyMap<number, number>): Latencies {
  const times = distributionOf(counts)
  const [min] = times.values[0] ?? [0]
  const [max] = times.values.at(-1) ?? [0]
  return { samples, ticks: times.sum, min, max, avg: times.samples === 0 ? 0 : times.sum / times.samples, times }
}

const mostFrequentFirst = (a: StatRow, b: StatRow): number =>
  b.samples - a.samples ||
  (a.vcpu ?? 0) - (b.vcpu ?? 0) ||
  (a.level ?? 0) - (b.level ?? 0) ||
  (a.reasonNumber ?? 0) - (b.reasonNumber ?? 0) ||
  (a.msr ?? -1) - (b.msr ?? -1) ||
  (a.line ?? 0) - (b.line ?? 0)

/** The exits of a run by level, reason and MSR, most frequent first. */
export const exitStatistics = (events: Iterable<TraceEvent>): ExitRow[] => grouped(exitSpans(numbered(events)), byReason)

function* numbered(events: Iterable<TraceEvent>): Generator<readonly [number, TraceEvent], void, undefined> {
  let index = 0
  for (const event of events) yield [index++, event]
}

/** The same of a trace, without a look at its other events. */
export const exitStatisticsOf = (reader: TraceReader): ExitRow[] => grouped(exitSpansOf(reader), byReason)

/** The exits of a trace in groups, most frequent first. */
export const statisticsBy = (reader: TraceReader, by: StatGroup): StatRow[] =>
  grouped(exitSpansOf(reader), groupFunction(by, reader.header.image))

/** How many exits there are of a level, a reason and an MSR; what is not given is not asked. */
export const exitCount = (rows: readonly ExitRow[], { level, reason, msr }: { level?: number; reason?: string; msr?: number }): number =>
  rows
    .filter(row => (level ?? row.level) === row.level && (reason ?? row.reason) === row.reason && (msr ?? row.msr) === row.msr)
    .reduce((sum, { samples }) => sum + samples, 0)

/** `L1 MSR_WRITE 6e0 (IA32_TSC_DEADLINE)`, with the vCPU or the line in front where rows are of one. */
export function exitLabel({ vcpu, level, reason, msr, file, line, rip }: ExitGroup): string {
  const place = file === undefined ? (rip === undefined ? [] : [`0x${rip.toString(16)}`]) : [`${file}:${line}`]
  return [
    ...place,
    ...(vcpu === undefined ? [] : [`vcpu${vcpu}`]),
    ...(level === undefined ? [] : [`L${level}`]),
    ...(reason === undefined ? [] : [reason]),
    ...(msr === undefined ? [] : [msrLabel(msr)]),
  ].join(' ')
}

const PERCENTILES = [50, 90, 99] as const

/** The percentiles that tables show, by their names. */
export const percentilesOf = ({ times }: Latencies): Readonly<Record<'p50' | 'p90' | 'p99', number>> => {
  const [p50, p90, p99] = PERCENTILES.map(percent => percentile(times, percent)) as [number, number, number]
  return { p50, p90, p99 }
}
