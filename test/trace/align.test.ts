import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { align, type Gap } from '../../src/trace/align.ts'

const SYMBOLS = 40

const gapsOf = (a: readonly number[], b: readonly number[]): Gap[] => align(Int32Array.from(a), Int32Array.from(b), SYMBOLS)

const size = (gaps: readonly Gap[]): number => gaps.reduce((sum, gap) => sum + gap.aEnd - gap.aStart + gap.bEnd - gap.bStart, 0)

/** What stands between the gaps, when it is the same on both sides; else undefined. */
function common(a: readonly number[], b: readonly number[], gaps: readonly Gap[]): number[] | undefined {
  const [inA, inB] = [a.slice(), b.slice()]
  for (const gap of [...gaps].reverse()) {
    inA.splice(gap.aStart, gap.aEnd - gap.aStart)
    inB.splice(gap.bStart, gap.bEnd - gap.bStart)
  }
  return inA.join() === inB.join() ? inA : undefined
}

const sequence = (length: number): fc.Arbitrary<number[]> => fc.array(fc.nat({ max: 5 }), { maxLength: length })

describe('the alignment of two sequences', () => {
  test('leaves equal stretches between its gaps, in order', () => {
    fc.assert(
      fc.property(sequence(200), sequence(200), (a, b) => {
        const gaps = gapsOf(a, b)
        expect(common(a, b, gaps)).toBeDefined()
        for (const [i, gap] of gaps.entries()) {
          expect(gap.aEnd - gap.aStart + gap.bEnd - gap.bStart).toBeGreaterThan(0)
          const next = gaps[i + 1]
          if (next) expect(next.aStart > gap.aEnd && next.bStart > gap.bEnd).toBe(true)
        }
      }),
      { seed: 1, numRuns: 500 },
    )
  })

  test('of equal sequences has no gaps, and of unrelated ones a single one', () => {
    expect(gapsOf([1, 2, 3], [1, 2, 3])).toEqual([])
    expect(gapsOf([], [])).toEqual([])
    expect(gapsOf([1, 1, 1], [2, 2])).toEqual([{ aStart: 0, aEnd: 3, bStart: 0, bEnd: 2 }])
    expect(gapsOf([1], [])).toEqual([{ aStart: 0, aEnd: 1, bStart: 0, bEnd: 0 }])
  })

  test('finds each of many scattered deletions in a loop, and nothing else', () => {
    const loop = Array.from({ length: 30_000 }, (_, i) => i % 13)
    const removed = new Set(Array.from({ length: 100 }, (_, i) => 150 + i * 290))
    const gaps = gapsOf(
      loop,
      loop.filter((_, i) => !removed.has(i)),
    )
    expect(gaps.map(({ aStart, aEnd, bStart, bEnd }) => [aStart, aEnd - aStart, bEnd - bStart])).toEqual([...removed].map(i => [i, 1, 0]))
  })

  test('follows a loop out of which one side leaves an exit every time', () => {
    const withExit = Array.from({ length: 20_000 }, (_, i) => i % 10)
    const gaps = gapsOf(
      withExit,
      withExit.filter(symbol => symbol < 3 || symbol > 6),
    )
    expect(size(gaps)).toBe(8_000)
    expect(gaps.length).toBe(2_000)
  })

  test('finds the way again behind a long stretch that only one side has', () => {
    const before = Array.from({ length: 500 }, (_, i) => i % 7)
    const only = Array.from({ length: 5_000 }, (_, i) => 7 + (i % 5))
    const after = [20, ...before, 21, ...before]
    const gaps = gapsOf([...before, ...only, ...after], [...before, ...after])
    expect(gaps).toEqual([{ aStart: 500, aEnd: 5_500, bStart: 500, bEnd: 500 }])
  })
})
