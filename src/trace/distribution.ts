/** Counts of whole numbers, for their percentiles and histograms. A run has few different latencies, so each is kept with how often it came. */

import { groupedNumber, textTable } from './table.ts'

export interface Distribution {
  readonly samples: number
  readonly sum: number
  /** How often each value came, ascending. */
  readonly values: readonly (readonly [value: number, count: number])[]
}

export const distributionOf = (counts: ReadonlyMap<number, number>): Distribution => {
  const values = [...counts].sort(([a], [b]) => a - b)
  return {
    samples: values.reduce((sum, [, count]) => sum + count, 0),
    sum: values.reduce((sum, [value, count]) => sum + value * count, 0),
    values,
  }
}

/** Of single samples. */
export function distributionOfSamples(samples: Iterable<number>): Distribution {
  const counts = new Map<number, number>()
  for (const value of samples) counts.set(value, (counts.get(value) ?? 0) + 1)
  return distributionOf(counts)
}

/** The two together. */
export function mergedDistribution(all: Iterable<Distribution>): Distribution {
  const counts = new Map<number, number>()
  for (const { values } of all) for (const [value, count] of values) counts.set(value, (counts.get(value) ?? 0) + count)
  return distributionOf(counts)
}

/** The smallest value that at least `percent` of the samples do not exceed (nearest rank); 0 of none. */
export function percentile({ samples, values }: Distribution, percent: number): number {
  const rank = Math.max(1, Math.ceil((percent / 100) * samples))
  let seen = 0
  for (const [value, count] of values) {
    seen += count
    if (seen >= rank) return value
  }
  return 0
}

/** A bucket of a histogram: the values from `from` up to below `to`. */
export interface Bucket {
  readonly from: number
  readonly to: number
  readonly count: number
}

/** Each power of two in halves, from the first bucket with a sample to the last. */
export function bucketsOf({ values }: Distribution): readonly Bucket[] {
  const counts = new Map<number, number>()
  for (const [value, count] of values) counts.set(bucketIndex(value), (counts.get(bucketIndex(value)) ?? 0) + count)
  const indexes = [...counts.keys()]
  const first = Math.min(...indexes)
  return Array.from({ length: indexes.length === 0 ? 0 : Math.max(...indexes) - first + 1 }, (_, i) => ({
    from: bucketStart(first + i),
    to: bucketStart(first + i + 1),
    count: counts.get(first + i) ?? 0,
  }))
}

/** 0, 1, 2, 3, 4, 6, 8, 12, 16, ... */
const bucketStart = (index: number): number => (index < 2 ? index : 2 ** (index >> 1) * (index % 2 === 0 ? 1 : 1.5))

function bucketIndex(value: number): number {
  if (value < 2) return value
  const power = Math.floor(Math.log2(value))
  return power * 2 + (value >= 1.5 * 2 ** power ? 1 : 0)
}

/** Length of the fullest bucket's bar. */
const BAR = 40

const bar = (count: number, most: number): string => (count === 0 ? '' : '#'.repeat(Math.max(1, Math.round((BAR * count) / most))))

/** The buckets, a line each, with a bar by their counts. The heads are those of the columns from, to (inclusive) and count. */
export function histogramText(
  buckets: readonly Bucket[],
  { heads, note = '' }: { readonly heads: readonly string[]; readonly note?: string },
): string {
  const most = Math.max(...buckets.map(({ count }) => count))
  const lines = buckets.map(({ from, to, count }) => [from, to - 1, count].map(groupedNumber))
  const bars = [note === '' ? '' : ` ${note}`, ...buckets.map(({ count }) => bar(count, most))]
  return textTable([heads, ...lines], 0)
    .split('\n')
    .map((line, i) => `${line}  ${bars[i]}`.trimEnd())
    .join('\n')
}
