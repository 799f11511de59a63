/** What samples of one kind come to, in ns: the series' figures (count, min, avg, max) and the percentiles that it does not give. */

import { groupedNumber } from '../trace/table.ts'

export interface SampleStatistics {
  readonly samples: number
  readonly min: number
  readonly avg: number
  readonly max: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly histogram: readonly HistogramRow[]
}

/** Samples from `from` up to, but not including, `to`, in ns. */
export interface HistogramRow {
  readonly from: number
  readonly to: number
  readonly samples: number
}

/** ns of ticks as the series rounds them: down. */
export const nsOf = (ticks: number, tscKhz: number): number => Math.floor((ticks * 1_000_000) / tscKhz)

/** The value that `share` of the sorted samples do not exceed (nearest rank). */
const percentile = (sorted: readonly number[], share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0

export function sampleStatistics(ticks: readonly number[], tscKhz: number): SampleStatistics {
  const sorted = [...ticks].sort((a, b) => a - b)
  const sum = sorted.reduce((total, value) => total + value, 0)
  const ns = (value: number): number => nsOf(value, tscKhz)
  return {
    samples: sorted.length,
    min: ns(sorted[0] ?? 0),
    avg: ns(sorted.length === 0 ? 0 : Math.floor(sum / sorted.length)),
    max: ns(sorted.at(-1) ?? 0),
    p50: ns(percentile(sorted, 0.5)),
    p90: ns(percentile(sorted, 0.9)),
    p99: ns(percentile(sorted, 0.99)),
    histogram: histogramOf(sorted.map(ns)),
  }
}

/** Rows to a doubling. */
const STEPS = 4

const edge = (step: number): number => Math.round(2 ** (step / STEPS))

/** Rows of equal width on a logarithmic scale, from the least sample to the greatest. */
function histogramOf(sorted: readonly number[]): HistogramRow[] {
  if (sorted.length === 0) return []
  const stepOf = (value: number): number => Math.floor(STEPS * Math.log2(Math.max(1, value)))
  const first = stepOf(sorted[0]!)
  const rows = Array.from({ length: stepOf(sorted.at(-1)!) - first + 1 }, (_, index) => ({
    from: edge(first + index),
    to: edge(first + index + 1),
    samples: 0,
  }))
  for (const value of sorted) rows.find(row => value < row.to || row === rows.at(-1))!.samples++
  return rows
}

const BAR = 40

/** The histogram as text, a row a line; `bar` is drawn as often as the row's share of the fullest one. */
export function histogramText(rows: readonly HistogramRow[], bar = '#'): string {
  const most = Math.max(...rows.map(({ samples }) => samples))
  const cells = rows.map(({ from, to, samples }) => [groupedNumber(from), groupedNumber(to), groupedNumber(samples)] as const)
  const width = (column: 0 | 1 | 2): number => Math.max(...cells.map(row => row[column].length))
  return cells
    .map(([from, to, samples], index) => {
      const length = Math.ceil((BAR * rows[index]!.samples) / most)
      return `  ${from.padStart(width(0))} - ${to.padStart(width(1))} ns ${samples.padStart(width(2))}  ${bar.repeat(length)}`.trimEnd()
    })
    .join('\n')
}
