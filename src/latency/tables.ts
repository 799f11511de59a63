/**
 * The series' two tables, and ours beside them: how much less late a timer is than without the feature, in percent of what it was.
 * The rows and the series' figures are those of its cover letter.
 */

import type { Progress } from '../session/record.ts'
import { type Measurement, measure } from './measure.ts'
import { type SampleStatistics, sampleStatistics } from './sample-statistics.ts'
import { configOf, imageOf, type LatencyOptions, type LatencySetting, TSC_KHZ } from './setting.ts'

export interface TableRow extends LatencySetting {
  /** Y or N: APIC-timer virtualization at L0. */
  readonly l0: boolean
  /** Whether L1 is offered it; null at L1, where it does not matter. */
  readonly nested: boolean | null
  /** Percent of reduction in the cover letter; absent in the rows that others are compared with. */
  readonly series?: { readonly min: number; readonly avg: number }
}

const timer = (level: 'L1' | 'L2', l0: boolean, nested: boolean | null, wait: 'hlt' | 'busy', series?: TableRow['series']): TableRow => ({
  guest: 'timer-latency',
  level,
  l0,
  nested,
  parameters: { apic_timer_virt: l0, ...(nested === null ? {} : { nested_apic_timer_virt: nested }) },
  wait,
  ...(series === undefined ? {} : { series }),
})
const cyclic = (level: 'L1' | 'L2', l0: boolean, nested: boolean | null, series?: TableRow['series']): TableRow => ({
  ...timer(level, l0, nested, 'hlt', series),
  guest: 'cyclictest',
})

/** A row without the series' figures is what those behind it, of the same guest, level and wait, are compared with. */
export const TABLE_ROWS: readonly TableRow[] = [
  cyclic('L1', false, null),
  cyclic('L1', true, null, { min: 21, avg: 21 }),
  cyclic('L2', false, false),
  cyclic('L2', true, false, { min: 4, avg: -2 }),
  cyclic('L2', true, true, { min: 75, avg: 51 }),
  timer('L1', false, null, 'hlt'),
  timer('L1', true, null, 'hlt', { min: 49, avg: 24 }),
  timer('L1', false, null, 'busy'),
  timer('L1', true, null, 'busy', { min: 63, avg: 61 }),
  timer('L2', false, false, 'hlt'),
  timer('L2', true, false, 'hlt', { min: -19, avg: -3 }),
  timer('L2', true, true, 'hlt', { min: 99, avg: 27 }),
  timer('L2', false, false, 'busy'),
  timer('L2', true, false, 'busy', { min: -5, avg: -4 }),
  timer('L2', true, true, 'busy', { min: 99, avg: 97 }),
]

export interface MeasuredRow {
  readonly row: TableRow
  readonly statistics: SampleStatistics
  readonly exitsPerTimer: Measurement['exitsPerTimer']
  /** Percent less than the row it is compared with; null in that row itself. */
  readonly reduction: { readonly min: number; readonly avg: number } | null
}

const percentLess = (now: number, before: number): number => (100 * (before - now)) / before

/** The options of a row: cyclictest's deadlines are a millisecond apart, so fewer of them come in a simulated time. */
const optionsFor = ({ guest }: TableRow, options: LatencyOptions): LatencyOptions =>
  guest === 'timer-latency' ? options : { ...options, periodNs: CYCLIC_PERIOD_NS, durationMs: options.durationMs * CYCLIC_STRETCH }

/** cyclictest's own interval, not a multiple of the kernel's tick, so that the two drift past each other. */
const CYCLIC_PERIOD_NS = 1_000_000
const CYCLIC_STRETCH = 20

/** Measures all rows, in order. */
export function* measureTables(
  options: LatencyOptions,
  starting: (row: TableRow) => void = () => {},
): Generator<Progress, readonly MeasuredRow[], boolean> {
  const rows: MeasuredRow[] = []
  let baseline: SampleStatistics | null = null
  for (const row of TABLE_ROWS) {
    starting(row)
    const of = optionsFor(row, options)
    const { interrupts, exitsPerTimer } = yield* measure(configOf(row, of), imageOf(row, of))
    const statistics = sampleStatistics(interrupts, TSC_KHZ)
    if (row.series === undefined) baseline = statistics
    const reduction =
      row.series === undefined || baseline === null
        ? null
        : { min: percentLess(statistics.min, baseline.min), avg: percentLess(statistics.avg, baseline.avg) }
    rows.push({ row, statistics, exitsPerTimer, reduction })
  }
  return rows
}
