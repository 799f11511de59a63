/** 200,000 seeded attacks of a guest hypervisor and its guest: each ends in a defined way, and host memory outside the guest stays. */

import { afterEach, describe, expect, test } from 'vitest'
import { isFull } from '../../slice.ts'
import { createArena, hostHash, judge, kvmOf, SECRET, SECRET_AT, tryCase } from './isolation.ts'
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

describe('what may not be is found', () => {
  const arena = createArena()
  const { guest, slot } = arena
  const { memory } = guest.machine
  const inGuest = slot.hostPhysical + 0x20_0000
  const tablesOf: Record<string, () => number> = {
    L1: () => kvmOf(guest).vms[0]!.eptRoot,
    L2: () => kvmOf(guest).vms[0]!.vcpus[0]!.nested.shadowEpt.root,
  }
  afterEach(() => expect(judge(arena)).toBe(''))

  test('a page of the host that was written', () => {
    memory.write8(SECRET_AT, 1)
    expect(judge(arena)).toBe('host page 0x400 was written')
  })
  test('one that was written past the map of written pages', () => {
    const before = hostHash(arena)
    memory.ram[SECRET_AT + 1]! ^= 1
    expect(hostHash(arena)).not.toBe(before)
    memory.ram[SECRET_AT + 1]! ^= 1
    expect(hostHash(arena)).toBe(before)
  })
  test('the secret in a register', () => {
    guest.machine.registers[0]!.gpr[3] = SECRET
    expect(judge(arena)).toMatch('a register holds the secret')
  })
  test('the secret in memory of the guest', () => {
    memory.write64(inGuest, SECRET)
    expect(judge(arena)).toMatch('of the guest holds the secret')
  })
  test.each(['L1', 'L2'])('a page of the host in the EPT that %s runs on', who => {
    let table = tablesOf[who]!()
    for (let level = 3; level > 0; level--) table = Number(memory.read64(table) & 0x000f_ffff_ffff_f000n)
    memory.write64(table + 8 * 511, BigInt(SECRET_AT) | 7n)
    expect(judge(arena)).toMatch(`the EPT that ${who} runs on maps host page 0x400`)
  })
})
