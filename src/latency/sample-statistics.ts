/** What samples of one kind come to, in ns: the series' figures (count, min, avg, max) and the percentiles that it does not give. */

import { type Bucket, bucketsOf, distributionOfSamples, percentile } from '../trace/distribution.ts'

export interface SampleStatistics {
  readonly samples: number
  readonly min: number
  readonly avg: number
  readonly max: number
  readonly p50: number
  readonly p90: number
  readonly p99: number
  /** Of whole ns. */
  readonly histogram: readonly Bucket[]
}

/** ns of ticks as the series rounds them: down. */
export const nsOf = (ticks: number, tscKhz: number): number => Math.floor((ticks * 1_000_000) / tscKhz)

/** The mean is taken in ticks, as the series takes it. */
export function sampleStatistics(ticks: readonly number[], tscKhz: number): SampleStatistics {
  const sum = ticks.reduce((total, value) => total + value, 0)
  const times = distributionOfSamples(ticks.map(value => nsOf(value, tscKhz)))
  return {
    samples: times.samples,
    min: times.values[0]?.[0] ?? 0,
    avg: ticks.length === 0 ? 0 : nsOf(Math.floor(sum / ticks.length), tscKhz),
    max: times.values.at(-1)?.[0] ?? 0,
    p50: percentile(times, 50),
    p90: percentile(times, 90),
    p99: percentile(times, 99),
    histogram: bucketsOf(times),
  }
}
