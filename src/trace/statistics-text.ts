/** Statistics of VM exits as tables and histograms, and as data for programs. Times are cycles of the host TSC. */

import { type Bucket, bucketsOf, histogramText, mergedDistribution } from './distribution.ts'
import { type ExitRow, exitLabel, percentilesOf, type StatRow } from './statistics.ts'
import { groupedNumber, textTable } from './table.ts'

const share = (part: number, whole: number): number => (whole === 0 ? 0 : (100 * part) / whole)

const total = (rows: readonly StatRow[], of: 'samples' | 'ticks'): number => rows.reduce((sum, row) => sum + row[of], 0)

/** The table for people. */
export function statisticsText(rows: readonly StatRow[]): string {
  if (rows.length === 0) return 'no VM exits'
  const samples = total(rows, 'samples')
  const ticks = total(rows, 'ticks')
  const percent = (part: number, whole: number): string => `${share(part, whole).toFixed(2)}%`
  const lines = rows.map(row => {
    const { p50, p90, p99 } = percentilesOf(row)
    return [
      exitLabel(row),
      groupedNumber(row.samples),
      percent(row.samples, samples),
      percent(row.ticks, ticks),
      ...[row.min, row.max, row.avg, p50, p90, p99].map(groupedNumber),
    ]
  })
  const sum = ['total', groupedNumber(samples)]
  return textTable([['event, times in cycles', 'samples', 'samples%', 'time%', 'min', 'max', 'avg', 'p50', 'p90', 'p99'], ...lines, sum], 1)
}

/** How long exits take, HLT apart, since that one sleeps. Of statistics by reason. */
export const latencyHistogram = (rows: readonly ExitRow[]): readonly Bucket[] =>
  bucketsOf(mergedDistribution(rows.filter(({ reason }) => reason !== 'HLT').map(({ times }) => times)))

/** The histogram, drawn. */
export const latencyHistogramText = (buckets: readonly Bucket[]): string =>
  histogramText(buckets, { heads: ['cycles from', 'to', 'exits'], note: '(HLT apart)' })

const rowJson = (row: StatRow): object => {
  const { level, reason, msr, vcpu, file, line, rip, samples, ticks, min, max, avg } = row
  return {
    ...(level === undefined ? {} : { level }),
    ...(reason === undefined ? {} : { reason }),
    ...(msr === undefined ? {} : { msr }),
    ...(vcpu === undefined ? {} : { vcpu }),
    ...(file === undefined ? {} : { file, line }),
    ...(rip === undefined ? {} : { rip: `0x${rip.toString(16)}` }),
    samples,
    ticks,
    min,
    max,
    avg,
    ...percentilesOf(row),
  }
}

/** For programs: `vtick stat --json`. */
export function statisticsJson(rows: readonly StatRow[]): { readonly version: 1; readonly rows: readonly object[] } {
  const samples = total(rows, 'samples')
  const ticks = total(rows, 'ticks')
  return {
    version: 1,
    rows: rows.map(row => ({ ...rowJson(row), samples_percent: share(row.samples, samples), time_percent: share(row.ticks, ticks) })),
  }
}

/** The same group of exits in two runs; undefined where a run has none. */
export interface StatChange {
  readonly label: string
  readonly a: StatRow | undefined
  readonly b: StatRow | undefined
}

/** What changed most first. */
export function statChanges(a: readonly StatRow[], b: readonly StatRow[]): StatChange[] {
  const inB = new Map(b.map(row => [exitLabel(row), row]))
  const ofA = a.map(row => ({ label: exitLabel(row), a: row, b: inB.get(exitLabel(row)) }))
  const known = new Set(ofA.map(({ label }) => label))
  const onlyB = b.filter(row => !known.has(exitLabel(row))).map(row => ({ label: exitLabel(row), a: undefined, b: row }))
  const size = ({ a: before, b: after }: StatChange): number => Math.abs((after?.samples ?? 0) - (before?.samples ?? 0))
  return [...ofA, ...onlyB].sort((x, y) => size(y) - size(x))
}

const signed = (value: number): string => (value === 0 ? '0' : `${value < 0 ? '-' : '+'}${groupedNumber(Math.abs(value))}`)

type Side = Pick<StatRow, 'samples' | 'ticks'> & { readonly avg?: number }

/** `vtick stat A --vs B`. */
export function statChangesText(changes: readonly StatChange[]): string {
  if (changes.length === 0) return 'no VM exits on either side'
  const columns = (label: string, a: Side, b: Side): string[] => [
    label,
    groupedNumber(a.samples),
    groupedNumber(b.samples),
    signed(b.samples - a.samples),
    a.avg === undefined ? '' : groupedNumber(a.avg),
    b.avg === undefined ? '' : groupedNumber(b.avg),
    groupedNumber(a.ticks),
    groupedNumber(b.ticks),
    signed(b.ticks - a.ticks),
  ]
  const none: Side = { samples: 0, ticks: 0 }
  const rows = changes.map(({ label, a, b }) => columns(label, a ?? none, b ?? none))
  const head = ['event', 'A', 'B', 'B - A', 'avg A', 'avg B', 'cycles A', 'cycles B', 'B - A']
  const sum = (side: 'a' | 'b', of: 'samples' | 'ticks'): number => changes.reduce((all, change) => all + (change[side]?.[of] ?? 0), 0)
  const side = (of: 'a' | 'b'): Side => ({ samples: sum(of, 'samples'), ticks: sum(of, 'ticks') })
  return textTable([head, ...rows, columns('total', side('a'), side('b'))], 1)
}

/** `vtick stat A --vs B --json`. */
export const statChangesJson = (changes: readonly StatChange[]): { readonly version: 1; readonly rows: readonly object[] } => ({
  version: 1,
  rows: changes.map(({ label, a, b }) => ({ label, a: a === undefined ? null : rowJson(a), b: b === undefined ? null : rowJson(b) })),
})
