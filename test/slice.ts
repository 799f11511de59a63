/** How much of a sweep `npm test` runs: a slice with a fixed seed; `VTICK_FULL=1` (`npm run test:full`) makes it the whole. */

export const isFull = process.env.VTICK_FULL === '1'

/** All of `items` in the full run, else about `count` of them: the first, the last, and others evenly in between. */
export function slice<T>(items: readonly T[], count: number): readonly T[] {
  if (isFull || items.length <= count) return items
  const step = (items.length - 1) / (count - 1)
  return Array.from({ length: count }, (_, position) => items[Math.round(position * step)]!)
}
