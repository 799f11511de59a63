/** Traces of two CPUs: whose state the panes show, whose exits the brackets and lanes. */

import { expect, it } from 'vitest'
import { openTraceSource } from '../../src/tui/trace-source.ts'
import { recorded } from '../recorded.ts'
import { SIZES, type Sitting, sitDown } from './streams.ts'

const { reader, events } = recorded('test/hw/smp.asm', { cpus: 2, defines: { CPUS: '2' } })
const trace = openTraceSource(reader, 'smp.vtrace')

const HLT = 12 // SDM, "Basic Exit Reasons"
const sleep = events.findIndex(event => event.kind === 'kvm_exit' && event.cpu === 1 && event.reason === HLT)
const wake = events.findIndex((event, index) => index > sleep && event.kind === 'kvm_entry' && event.cpu === 1)
/** CPU 0 has an exit of its own meanwhile. */
const other = events.findIndex((event, index) => index > sleep && event.kind === 'kvm_exit' && event.cpu === 0)

const sit = (index: number, size: readonly [number, number] = [120, 40]): Promise<Sitting> => sitDown(trace, { kind: 'event', index }, size)
const text = async (person: Sitting): Promise<string> => (await person.screen()).join('\n')

it('the exits of the two overlap', () => {
  expect(sleep).toBeGreaterThan(0)
  expect(other).toBeGreaterThan(sleep)
  expect(other).toBeLessThan(wake)
})

it.each(SIZES)('a and A show the state of another CPU than the one whose turn it is, at %ix%i', async (columns, rows) => {
  const person = await sit(other, [columns, rows])
  const { rip: ofSleeper } = events[sleep] as unknown as { rip: bigint }
  const { rip: ofOther } = events[other] as unknown as { rip: bigint }
  await person.type(columns < 100 ? '1z' : '1\tz') // the state, all over the screen
  const ripOf = async (): Promise<string> => {
    await person.type('j'.repeat(17)) // into sight
    return /rip ([0-9a-f]{16})/.exec(await text(person))![1]!
  }
  const own = await ripOf()
  expect(BigInt(`0x${own}`)).toBe(ofOther)
  await person.type('a') // CPU 0
  expect(await ripOf()).toBe(own)
  await person.type('a') // CPU 1 has executed its HLT, one byte, and sleeps behind it
  expect((await person.screen())[0]).toContain('cpu1 shown')
  expect([ofSleeper, ofSleeper + 1n]).toContain(BigInt(`0x${await ripOf()}`))
  await person.type('A')
  expect(await ripOf()).toBe(own)
  await person.type('A')
  expect((await person.screen())[0]).not.toContain('shown')
  person.explorer.stop()
})

it('an exit is ended by the entry of its own CPU', () => {
  expect(trace.index.partner[sleep]).toBe(wake)
  const entry = events.findIndex((event, index) => index > other && event.kind === 'kvm_entry' && event.cpu === 0)
  expect(trace.index.partner[other]).toBe(entry)
  expect(trace.index.depths[other]).toBe(0)
})

it('folding all exits leaves whole rows, and opening them shows every event again', async () => {
  const person = await sit(other)
  const numbersOf = async (): Promise<number[]> =>
    (await person.screen()).flatMap(line => /[│>]\s*(\d+) [01]L\d/.exec(line)?.slice(1).map(Number) ?? [])
  await person.type('Z')
  const numbers = await numbersOf()
  expect(numbers.length).toBeGreaterThan(10)
  expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b))
  await person.type('Z')
  const all = await numbersOf()
  expect(all).toEqual(all.map((_, at) => all[0]! + at))
  person.explorer.stop()
})

it('each CPU has its lanes', async () => {
  const person = await sit(other)
  const screen = await person.screen()
  const lane = (name: string): string => screen.find(line => line.startsWith(name))!.slice(4)
  // Once it is up, CPU 1 only sleeps and wakes: near the end KVM has it.
  expect(lane('1L1').slice(-10)).toBe('·'.repeat(10))
  expect(lane('0L1').slice(-10)).not.toBe('·'.repeat(10))
  expect(screen.filter(line => /^[01]L2/.test(line))).toEqual([])
  person.explorer.stop()
})
