/** Measurements and tables in words: as the series' programs print them, and as its cover letter lists them. */

import { histogramText } from '../trace/distribution.ts'
import { exitLabel } from '../trace/statistics.ts'
import { textTable } from '../trace/table.ts'
import type { Measurement } from './measure.ts'
import { type SampleStatistics, sampleStatistics } from './sample-statistics.ts'
import { type LatencyOptions, type LatencySetting, TSC_KHZ } from './setting.ts'
import type { MeasuredRow, TableRow } from './tables.ts'

const figures = ({ samples, min, avg, max, p50, p90, p99 }: SampleStatistics): string =>
  `samples ${samples} min ${min} ns avg ${avg} ns max ${max} ns  p50 ${p50} p90 ${p90} p99 ${p99} ns`

const perTimer = (exits: Measurement['exitsPerTimer']): string =>
  exits.length === 0 ? 'none' : exits.map(exit => `${exitLabel(exit)} ${exit.perTimer.toFixed(2)}`).join(', ')

/** One measurement, in the manner of timer_latency -P. */
export function measurementText(setting: LatencySetting, options: LatencyOptions, measured: Measurement): string {
  const interrupts = sampleStatistics(measured.interrupts, TSC_KHZ)
  const waits = measured.waits.length === 0 ? [] : [`halt wakeup: ${figures(sampleStatistics(measured.waits, TSC_KHZ))}`]
  return [
    `${setting.guest} at ${setting.level}, waiting by ${setting.wait === 'hlt' ? 'HLT' : 'PAUSE'}; period ${options.periodNs} ns`,
    `TSC ${TSC_KHZ} kHz; ${options.durationMs} ms of simulated time`,
    `timer interrupt: ${figures(interrupts)}`,
    ...waits,
    `exits per timer: ${perTimer(measured.exitsPerTimer)}`,
    'timer interrupt, samples by lateness',
    histogramText(interrupts.histogram, { heads: ['ns from', 'to', 'samples'] }),
  ].join('\n')
}

export const measurementJson = (setting: LatencySetting, options: LatencyOptions, measured: Measurement): object => ({
  version: 1,
  setting,
  period_ns: options.periodNs,
  duration_ms: options.durationMs,
  tsc_khz: TSC_KHZ,
  timer_interrupt: sampleStatistics(measured.interrupts, TSC_KHZ),
  ...(measured.waits.length === 0 ? {} : { halt_wakeup: sampleStatistics(measured.waits, TSC_KHZ) }),
  exits_per_timer: measured.exitsPerTimer,
})

/** Percentage points that a cell may be off, as we set ourselves: what HLT costs depends on much that is not modelled. */
const WITHIN = { busy: 6, hlt: 15 } as const

/** An effect of so many points or less has no sign worth comparing: it counts as right within `SMALL_WITHIN` of the series. */
const SMALL = 5
const SMALL_WITHIN = 6

export interface Cell {
  readonly of: 'min' | 'avg'
  readonly ours: number
  readonly series: number
  readonly isSignRight: boolean
  readonly isWithin: boolean
}

/** The two cells of a compared row. */
export function cellsOf({ row, reduction }: MeasuredRow): Cell[] {
  const { series } = row
  if (series === undefined || reduction === null) return []
  return (['min', 'avg'] as const).map(of => {
    const [ours, theirs] = [reduction[of], series[of]]
    const off = Math.abs(ours - theirs)
    const isSmall = Math.abs(theirs) <= SMALL
    return {
      of,
      ours,
      series: theirs,
      isSignRight: Math.sign(ours) === Math.sign(theirs) || (isSmall && off <= SMALL_WITHIN),
      isWithin: off <= WITHIN[row.wait],
    }
  })
}

const letter = (value: boolean | null): string => (value === null ? '-' : value ? 'Y' : 'N')
const percent = (value: number): string => value.toFixed(0)
const exitsOf = ({ exitsPerTimer }: MeasuredRow): string => exitsPerTimer.reduce((sum, exit) => sum + exit.perTimer, 0).toFixed(2)

function tableText(rows: readonly MeasuredRow[]): string {
  const lines = rows.map(measured => {
    const { row, statistics, reduction } = measured
    const cells = cellsOf(measured)
    const off = cells.filter(cell => !cell.isWithin).map(cell => cell.of)
    return [
      ...[row.level, letter(row.l0), letter(row.nested), row.wait === 'hlt' ? 'HLT' : 'busy'],
      ...[String(statistics.samples), String(statistics.min), String(statistics.avg)],
      ...(reduction === null ? ['', ''] : [percent(reduction.min), percent(reduction.avg)]),
      ...(row.series === undefined ? ['', ''] : [percent(row.series.min), percent(row.series.avg)]),
      exitsOf(measured),
      off.length === 0 ? '' : `${off.join(', ')} off`,
    ]
  })
  const head = ['run', 'L0', 'nested', 'wait', 'samples', 'min ns', 'avg ns', 'min %', 'avg %', 'series', 'series', 'exits', '']
  return textTable([head, ...lines], 4)
}

/** Both tables, how many cells agree, and how to read them. */
export function tablesText(rows: readonly MeasuredRow[]): string {
  const of = (guest: TableRow['guest']): readonly MeasuredRow[] => rows.filter(({ row }) => row.guest === guest)
  const cells = rows.flatMap(cellsOf)
  const count = (holds: (cell: Cell) => boolean): string => `${cells.filter(holds).length} of ${cells.length}`
  return [
    'Lateness of a timer, in percent less than without the feature; negative is later. `series` is what the cover letter gives.',
    'L0: APIC-timer virtualization there (Y, N). nested: whether L1 is offered it. exits: hardware VM exits per timer.',
    '',
    'cyclictest: a sleeping thread, from its deadline to its first instruction',
    tableText(of('cyclictest')),
    '',
    'timer_latency: an interrupt handler, from the deadline to its first RDTSC',
    tableText(of('timer-latency')),
    '',
    `cells with the sign of the series: ${count(cell => cell.isSignRight)}`,
    `cells within ${WITHIN.busy} points (busy) or ${WITHIN.hlt} (HLT, cyclictest): ${count(cell => cell.isWithin)}`,
    'docs/latency-model.md derives every row, exit by exit, and says what the model cannot.',
  ].join('\n')
}

export const tablesJson = (rows: readonly MeasuredRow[]): object => ({
  version: 1,
  rows: rows.map(measured => {
    const { row, statistics, exitsPerTimer, reduction } = measured
    const { guest, level, l0, nested, wait } = row
    return { guest, level, l0, nested, wait, statistics, exits_per_timer: exitsPerTimer, reduction, series: row.series ?? null }
  }),
})
