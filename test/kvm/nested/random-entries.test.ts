/**
 * The verdict of a nested VM entry equals that of the processor: 100,000 random states of a VMCS. Where both let the guest in, the
 * processor must also take the VMCS that KVM merged: a guest hypervisor's entry never ends as a failure of KVM's own.
 */

import { expect, test } from 'vitest'
import { isFull } from '../../slice.ts'
import { createJudges, randomOf } from './random-entries.ts'

const CASES = isFull ? 100_000 : 1_500
const SEED = 6

test(`${CASES} states from seed ${SEED}: the same end and the same rule`, { timeout: 3_600_000 }, () => {
  const { bare, nested, good } = createJudges()
  const random = randomOf(SEED)
  const ends = new Map<string, number>()
  for (let number = 0; number < CASES; number++) {
    const entry = good(random)
    const expected = bare(entry)
    const { merged, ...actual } = nested(entry)
    if (actual.end !== expected.end || actual.rule !== expected.rule || (merged ?? 'ok') !== 'ok')
      expect({ number, ...actual, merged, entry }).toEqual({ number, ...expected, merged: expected.end === 'ok' ? 'ok' : undefined, entry })
    ends.set(expected.end, (ends.get(expected.end) ?? 0) + 1)
  }
  // The states are worth asking about: every kind of end, none of them nearly always.
  for (const end of ['ok', 'error 7', 'error 8', 'exit 33, 0', 'exit 33, 4', 'exit 34, 1'])
    expect(ends.get(end) ?? 0, end).toBeGreaterThan(CASES / 300)
  expect(Math.max(...ends.values())).toBeLessThan(CASES * 0.8)
})
