/** The two latency tables: what must hold whatever the figures are, and, in the full run, how they stand beside the series'. */

import { describe, expect, test } from 'vitest'
import { defaultCosts } from '../../src/hw/time/costs.ts'
import { type Measurement, measure } from '../../src/latency/measure.ts'
import { cellsOf, tablesJson } from '../../src/latency/report.ts'
import { configOf, imageOf, type LatencyOptions } from '../../src/latency/setting.ts'
import { type MeasuredRow, measureTables, TABLE_ROWS, type TableRow } from '../../src/latency/tables.ts'
import { isFull } from '../slice.ts'
import series from './series.json' with { type: 'json' }

const OPTIONS: LatencyOptions = { periodNs: 10_000, durationMs: 1, costs: defaultCosts(), jitterSeed: null }

function finish<T>(slices: Generator<unknown, T, boolean>): T {
  for (;;) {
    const { done, value } = slices.next(false)
    if (done) return value
  }
}

const measured = (row: TableRow, options: Partial<LatencyOptions> = {}): Measurement => {
  const all = { ...OPTIONS, ...options }
  return finish(measure(configOf(row, all), imageOf(row, all)))
}

const rowOf = (level: 'L1' | 'L2', l0: boolean, nested: boolean | null, wait: 'hlt' | 'busy'): TableRow =>
  TABLE_ROWS.find(
    row => row.guest === 'timer-latency' && row.level === level && row.l0 === l0 && row.nested === nested && row.wait === wait,
  )!

const total = ({ exitsPerTimer }: Measurement): number => exitsPerTimer.reduce((sum, { perTimer }) => sum + perTimer, 0)

describe('the tables', () => {
  test('have the rows and the figures of the cover letter', () => {
    const ours = (guest: TableRow['guest']) =>
      TABLE_ROWS.filter(row => row.guest === guest).map(row => [
        row.level,
        row.l0,
        row.nested,
        row.series?.min ?? null,
        row.series?.avg ?? null,
      ])
    const theirs = (rows: readonly { level: string; l0: string; nested: string | null; min: number | null; avg: number | null }[]) =>
      rows.map(row => [row.level, row.l0 === 'Y', row.nested === null ? null : row.nested === 'Y', row.min, row.avg])
    expect(ours('cyclictest')).toEqual(theirs(series.cyclictest.rows))
    expect(ours('timer-latency')).toEqual(theirs(series.timer_latency.rows))
  })
  test('come from one cost table: nothing but the level, the parameters and the guest differs between rows', () => {
    for (const row of TABLE_ROWS) {
      const { machine, parameters } = configOf(row, OPTIONS)
      const like = configOf({ ...TABLE_ROWS[0]!, level: row.level }, OPTIONS)
      expect(machine).toEqual(like.machine)
      expect({ ...parameters, apic_timer_virt: true, nested_apic_timer_virt: true }).toEqual({
        ...like.parameters,
        apic_timer_virt: true,
        nested_apic_timer_virt: true,
      })
    }
  })
})

describe('exits per timer', () => {
  test.each([rowOf('L1', true, null, 'busy'), rowOf('L2', true, true, 'busy')])('none at $level, busy, with the feature', row => {
    const { exitsPerTimer, interrupts } = measured(row)
    expect(interrupts.length).toBeGreaterThan(50)
    expect(exitsPerTimer).toEqual([])
  })
  test('two at L1, busy, without it', () => {
    expect(total(measured(rowOf('L1', false, null, 'busy')))).toBe(2)
  })
})

describe('a measurement', () => {
  const row = rowOf('L1', false, null, 'busy')
  test('is the same every time', () => {
    expect(measured(row, { jitterSeed: 7 })).toEqual(measured(row, { jitterSeed: 7 }))
  })
  test('varies with the seed of the host', () => {
    expect(measured(row, { jitterSeed: 7 }).interrupts).not.toEqual(measured(row, { jitterSeed: 8 }).interrupts)
  })
  test('changes with a cost: a VM entry that takes 1,000 ticks more makes every interrupt that much later', () => {
    const least = (costs: LatencyOptions['costs']): number => Math.min(...measured(row, { costs }).interrupts)
    const slower = { ...OPTIONS.costs, vmEntry: OPTIONS.costs.vmEntry + 1000 }
    expect(least(slower) - least(OPTIONS.costs)).toBe(1000)
  })
})

/** Its least value is one sample, the run's last timer, and where that falls in its period is chance: see docs/latency-model.md. */
const ONE_SAMPLE = ({ row: { guest, level, l0, nested, wait } }: MeasuredRow): boolean =>
  guest === 'timer-latency' && level === 'L2' && l0 && nested === false && wait === 'hlt'

/** The cells that are compared between seeds. */
const steady = (rows: readonly MeasuredRow[]) =>
  rows.flatMap(measuredRow => cellsOf(measuredRow).filter(({ of }) => of !== 'min' || !ONE_SAMPLE(measuredRow)))

test.runIf(isFull)('beside the series, 20 ms a row: the report repeats itself; another seed moves no cell by more than 3 points', () => {
  const tables = (jitterSeed: number): readonly MeasuredRow[] => finish(measureTables({ ...OPTIONS, durationMs: 20, jitterSeed }))
  const first = tables(1)
  expect(tablesJson(tables(1))).toEqual(tablesJson(first))
  const before = steady(first)
  const moved = steady(tables(2)).map((cell, index) => Math.abs(cell.ours - before[index]!.ours))
  expect(Math.max(...moved)).toBeLessThanOrEqual(3)
})
