/**
 * Save, restore, migrate: a guest that moves to a new VM in another machine goes on as one that stays. On a host whose own work takes no
 * time nothing may differ: at every sync point the registers, the MSRs (the TSC among them) and all memory are equal to the bit.
 */

import { describe, expect, test } from 'vitest'
import type { RunOptions } from '../../src/session/config.ts'
import { isFull, slice } from '../slice.ts'
import { comparable, guestPrograms, usesVmx } from './measured.ts'
import { freeHost, type JourneyOptions, journey } from './migration.ts'

const INPUT = 'a line of input\n'
/** So that how far a host's own timers have adapted to it, which is not moved, makes no difference. */
const EXACT = { costs: freeHost(), parameters: { lapic_timer_advance: false }, digestEvery: isFull ? 1 : 50, input: INPUT }
const FALLBACKS = [{ apic_timer_virt: false }, { enable_apicv: false }, { apic_timer_virt: false, preemption_timer: false }]

type Case = readonly [title: string, path: string, options: RunOptions]

/** Two programs come back to user space only to end. */
const atEachLevel = guestPrograms
  .filter(path => !/golden|\/defect\./.test(path))
  .flatMap((path): Case[] => [[`${path} at L1`, path, {}], ...(usesVmx(path) ? [] : [[`${path} at L2`, path, { level: 'L2' }] as const])])

/** Every point in the full run, else one in so many. */
const oneIn = (count: number) => (point: number) => point % (isFull ? 1 : count) === 0

function expectSame(path: string, options: JourneyOptions): void {
  const { leavesAt: _, kicked: _kicked, ...staying } = options
  const moves = journey(path, options)
  expect(moves.migrations).toBeGreaterThan(0)
  expect({ ...moves, migrations: 0 }).toEqual(journey(path, staying))
}

test('there are guests at both levels, and hypervisors', () => {
  expect(guestPrograms.filter(usesVmx).length).toBeGreaterThanOrEqual(5)
  expect(atEachLevel.length).toBeGreaterThanOrEqual(25)
})

describe('where KVM_RUN has come back, for every guest', () => {
  test.each(slice(atEachLevel, 4))('%s', (_title, path, options) => {
    expectSame(path, { ...EXACT, ...options, leavesAt: oneIn(60) })
  })
})

/** Timers in all modes, halts, and L2 in the middle of everything. */
const EVENTFUL: readonly Case[] = atEachLevel.filter(([, path]) => /deadline-hlt|one-shot|groups|apic-timer-vmcs|bare-vmx/.test(path))

describe('behind any VM exit, and in the middle of a halt', () => {
  test.each(slice(EVENTFUL, 2))('%s', (_title, path, options) => {
    const every = isFull ? 11 : 150
    expectSame(path, { ...EXACT, ...options, kicked: true, leavesAt: point => point % every === every - 1 })
  })
})

describe('with each of the other timers behind the local APIC', () => {
  const cases = FALLBACKS.flatMap(parameters => EVENTFUL.map(([title, path, options]) => ({ title, path, options, parameters })))
  test.each(slice(cases, 2))('$title, $parameters', ({ path, options, parameters }) => {
    const leavesAt = (point: number): boolean => point % (isFull ? 10 : 60) === 0
    expectSame(path, { ...EXACT, ...options, parameters: { ...EXACT.parameters, ...parameters }, leavesAt })
  })
})

describe('to a machine whose TSC runs at another frequency, with the costs that work has: what is printed, but for measured times', () => {
  const FREQUENCIES = [2_400_000, 1_300_000, 3_333_333, 2_000_000]
  test.each(slice(atEachLevel, 2))('%s', (_title, path, options) => {
    let visited = 0
    const moves = journey(path, {
      ...options,
      input: INPUT,
      digestEvery: Number.POSITIVE_INFINITY,
      leavesAt: point => point % (isFull ? 10 : 60) === 0,
      nextMachine: machine => ({ ...machine, tscKhz: FREQUENCIES[visited++ % FREQUENCIES.length]! }),
    })
    const stay = journey(path, { ...options, input: INPUT, digestEvery: Number.POSITIVE_INFINITY })
    expect(visited).toBeGreaterThan(0)
    expect(comparable(path, moves.console)).toEqual(comparable(path, stay.console))
    expect(moves.end).toEqual(stay.end)
  })
})
