/** The program timer_latency: every option, at every level; what it counts is what it sampled. */

import { describe, expect, test } from 'vitest'
import { guestImage } from '../recorded.ts'
import { type LatencyOptions, type Sampled, timerLatency } from './timer-latency.ts'

const PASSED = [
  'PASS: every timer that was set interrupted once',
  'PASS: no interrupt came before its deadline',
  'PASS: no wait ended without a timer',
  'PASS: no interrupt was later than allowed',
  'SUMMARY: 4 tests',
]

const RUNS: readonly (readonly [string, LatencyOptions])[] = [
  ['HLT', { durationUs: 500 }],
  ['HLT without the feature', { durationUs: 500, parameters: { apic_timer_virt: false } }],
  ['-l', { busy: true, durationUs: 500 }],
  ['-l without the feature', { busy: true, durationUs: 500, parameters: { apic_timer_virt: false } }],
  ['-p 50000', { periodNs: 50_000, durationUs: 1500 }],
  ['-o', { oneShot: true, durationUs: 500 }],
  ['-o -l', { oneShot: true, busy: true, durationUs: 500 }],
  ['-x', { xapic: true, durationUs: 500 }],
  ['-x -l', { xapic: true, busy: true, durationUs: 500 }],
  ['-x -o', { xapic: true, oneShot: true, durationUs: 500 }],
  ['-x without the feature', { xapic: true, durationUs: 500, parameters: { apic_timer_virt: false } }],
  ['-x on the bare CPU', { xapic: true, bare: true, durationUs: 500 }],
  ['-n', { nested: true, durationUs: 500 }],
  ['-n on the bare CPU', { nested: true, bare: true, durationUs: 500 }],
  ['at a TSC of 1 GHz', { tscKhz: 1_000_000, durationUs: 500 }],
  ['under the guest hypervisor', { level: 'L2', durationUs: 600 }],
  ['-l under the guest hypervisor', { level: 'L2', busy: true, durationUs: 600 }],
]

/** Counts again what the guest has counted. */
function expectConsistent({ count, sum, min, max, samples }: Sampled): void {
  expect(samples).toHaveLength(count)
  expect(count).toBeGreaterThan(5)
  expect(sum).toBe(samples.reduce((total, sample) => total + sample, 0))
  expect([min, max]).toEqual([Math.min(...samples), Math.max(...samples)])
}

describe('timer_latency', () => {
  test.each(RUNS)('%s: passes, and its statistics are those of its samples', (_, options) => {
    const { interrupt, wakeup, waits, set, received, console, end } = timerLatency(options)
    expect(console.trimEnd().split('\n')).toEqual(PASSED)
    expect(end).toMatchObject({ reason: 'exit-port', status: 0 })
    expectConsistent(interrupt)
    expectConsistent(wakeup)
    expect(set).toBe(received)
    expect(interrupt.count).toBe(received)
    expect(wakeup.count).toBe(waits)
  })
  test('-a: what is later than allowed is told when busy, and fails in HLT', () => {
    expect(timerLatency({ allowedNs: 100, busy: true, durationUs: 300 }).console).toMatch(/interrupts later than allowed: +[1-9]/)
    expect(timerLatency({ allowedNs: 100, durationUs: 300 }).console).toContain('FAIL: no interrupt was later than allowed')
  })
  test('-P prints in ns what the statistics hold in ticks', () => {
    const { console, interrupt, wakeup, waits, set, received } = timerLatency({ print: true, durationUs: 500 })
    const numbers = (line: string): number[] => (/.*:(.*)/.exec(line)?.[1] ?? '').trim().split(/\s+/).map(Number)
    const lines = console.split('\n')
    const ns = (ticks: number): number => Math.floor(ticks / 2)
    const row = ({ count, sum, min, max }: Sampled) => [count, ns(min), ns(Math.floor(sum / count)), ns(max)]
    expect(lines[0]).toMatch(/^TSC deadline timer.* 10000$/)
    expect(lines.slice(1, 5).map(numbers)).toEqual([[2_000_000, 1], [waits, set, received], row(interrupt), row(wakeup)])
  })
  test('the counters of the vCPU: a HLT exit for each wait in HLT, an injected deadline for each timer without the feature', () => {
    const { stats, waits, set } = timerLatency({ durationUs: 500, parameters: { apic_timer_virt: false } })
    expect(stats).toMatchObject({ halt_exits: waits, inject_tscdeadline: set })
  })
  test('-n: no exit of a busy L2 for its timers', () => {
    const ofL2 = (durationUs: number) =>
      timerLatency({ nested: true, durationUs }).exits.filter(({ level, reason }) => level === 2 && reason !== 'IO_INSTRUCTION')
    const count = (rows: ReturnType<typeof ofL2>) => rows.reduce((sum, { samples }) => sum + samples, 0)
    expect(count(ofL2(2000))).toBe(count(ofL2(500)))
  })
  test('-n without the feature is skipped, in words', () => {
    const { console, end } = timerLatency({ nested: true, durationUs: 100, parameters: { nested_apic_timer_virt: false } })
    expect(console).toBe('SKIP: the processor has no APIC-timer virtualization\n')
    expect(end).toMatchObject({ reason: 'exit-port', status: 0 })
  })
  test('has the symbols that its head names', () => {
    const names = guestImage('asm/timer-latency.asm').symbols.map(({ name }) => name)
    expect(names).toEqual(expect.arrayContaining(['stop', 'latency_stats', 'latency_samples']))
  })
})
