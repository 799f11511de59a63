/** 200,000 seeded attacks of a guest hypervisor and its guest: each ends in a defined way, and host memory outside the guest stays. */

import { expect, test } from 'vitest'
import { isFull } from '../../slice.ts'
import { createArena, hostHash, tryCase } from './isolation.ts'
import { randomOf } from './random-entries.ts'

const CASES = isFull ? 200_000 : 150
const HASH_EVERY = isFull ? 1000 : 100
const SEED = 11
const ENDS = new Set([
  'runs',
  'budget',
  'exit-port',
  'shutdown',
  'halted',
  'reset',
  'power-off',
  'unsupported',
  'exception-loop',
  'internal-error',
  'EINVAL',
])

test(`${CASES} cases from seed ${SEED}`, { timeout: 7_200_000 }, () => {
  const arena = createArena()
  const random = randomOf(SEED)
  const before = hostHash(arena)
  const ends = new Map<string, number>()
  for (let number = 0; number < CASES; number++) {
    const { end, wrong } = tryCase(arena, random)
    if (wrong !== '' || !ENDS.has(end)) expect({ number, end, wrong }).toEqual({ number, end: 'defined', wrong: '' })
    if (number % HASH_EVERY === 0) expect(hostHash(arena), `case ${number}`).toBe(before)
    ends.set(end, (ends.get(end) ?? 0) + 1)
  }
  // Attacks that change something: not all of them end alike.
  expect(ends.get('EINVAL') ?? 0).toBeGreaterThan(0)
  expect(ends.size, JSON.stringify([...ends])).toBeGreaterThan(2)
})
