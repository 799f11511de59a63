/** The conversion of a guest's deadline against 100 vectors that were worked out from the rule, independently of this code. */

import { readFileSync } from 'node:fs'
import { fc, test as property } from '@fast-check/vitest'
import { describe, expect, test } from 'vitest'
import { TSC_AT_START } from '../../../src/base/units.ts'
import { convertDeadline, physicalTsc, tickOf, virtualTsc } from '../../../src/hw/time/clock.ts'
import { NEVER } from '../../../src/hw/time/event-queue.ts'

type Row = readonly [
  name: string,
  physical: string,
  multiplier: string,
  offset: string,
  now: string,
  written: string,
  expect: string,
  deadline: string,
]

const { cases } = JSON.parse(readFileSync(new URL('./deadline-vectors.json', import.meta.url), 'utf8')) as { cases: readonly Row[] }

describe('the 100 vectors of the deadline conversion', () => {
  test('there are 100 of them', () => {
    expect(cases).toHaveLength(100)
  })

  test.each(cases)('%s', (_name, physical, multiplier, offset, now, written, outcome, deadline) => {
    const view = { multiplier: BigInt(multiplier), offset: BigInt(offset) }
    expect(virtualTsc(BigInt(physical), view)).toBe(BigInt(now))
    const write = convertDeadline(BigInt(written), BigInt(physical), view)
    expect(write.kind).toBe({ disarm: 'disarm', 'fire-now': 'now', armed: 'armed' }[outcome])
    if (write.kind === 'armed') expect(write.deadline).toBe(BigInt(deadline))
  })
})

const u64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n })
const multiplier = fc.bigInt({ min: 1n << 30n, max: 1n << 52n })

property.prop([u64, u64, multiplier, u64], { seed: 20260203, numRuns: 2000 })(
  'an armed deadline is the first tick at which the virtual TSC has come so far (seed 20260203)',
  (written, physical, factor, offset) => {
    const view = { multiplier: factor, offset }
    const write = convertDeadline(written, physical, view)
    if (write.kind !== 'armed' || write.deadline === (1n << 64n) - 1n) return
    const distance = written - virtualTsc(physical, view)
    const passed = (tick: bigint): bigint => ((tick * factor) >> BigInt(48)) - ((physical * factor) >> BigInt(48))
    expect(passed(write.deadline) >= distance).toBe(true)
    expect(passed(write.deadline - 1n) < distance).toBe(true)
  },
)

describe('ticks and the physical TSC', () => {
  test('the physical TSC starts at 2^40 and counts one for each tick', () => {
    expect(physicalTsc(0, 0n)).toBe(1n << 40n)
    expect(physicalTsc(1234, 0n)).toBe(TSC_AT_START + 1234n)
  })

  test('a TSC value of the past is tick 0, one that no tick reaches is never', () => {
    expect(tickOf(5n, 0n)).toBe(0)
    expect(tickOf(TSC_AT_START + 77n, 0n)).toBe(77)
    expect(tickOf((1n << 64n) - 1n, 0n)).toBe(NEVER)
  })
})
