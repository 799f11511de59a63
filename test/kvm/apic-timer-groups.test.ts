/**
 * Deadlines under every TSC frequency and offset, at L1 and at L2 (the matrix of the series' functional test), and how many exits a
 * timer costs. The guest judges itself; what must hold is stated in its head.
 */

import { describe, expect, test } from 'vitest'
import type { RunOptions } from '../../src/session/config.ts'
import { exitStatistics } from '../../src/trace/statistics.ts'
import { recorded } from '../recorded.ts'
import { slice } from '../slice.ts'
import { hostTscOf, run, started } from './rig.ts'

const GUEST = 'asm/apic-timer-groups.asm'
const HOST_KHZ = 2_000_000
const MAX_KHZ = 0x7fff_ffff

const halves = Array.from({ length: 21 }, (_, power) => Math.floor(HOST_KHZ / 2 ** power))
const doubles = Array.from({ length: 10 }, (_, power) => HOST_KHZ * 2 ** (power + 1))
const frequencies = [...halves, ...doubles, MAX_KHZ].filter(khz => khz > 0 && khz <= MAX_KHZ)

const LEVELS: readonly RunOptions[] = [{ level: 'L1' }, { level: 'L2' }, { level: 'L2', parameters: { nested_apic_timer_virt: false } }]

/** Null: no frequency is set, and the TSC is not scaled. */
const cells = [null, ...frequencies].flatMap(khz => [false, true].flatMap(negative => LEVELS.map(options => ({ khz, negative, options }))))

describe('deadlines that are far, past, awaited in HLT, or masked', () => {
  test.each(slice(cells, 5))('at $khz kHz, offset -TSC of the host: $negative, $options', ({ khz, negative, options }) => {
    const guest = started(GUEST, { ...options, defines: { KHZ: String(khz ?? HOST_KHZ) } })
    const { console } = run(guest, vcpu => {
      const minusTsc = -hostTscOf(vcpu)
      if (khz !== null) vcpu.setTscKhz(khz)
      if (negative) vcpu.setTscOffset(minusTsc)
    })
    expect(console).toBe(
      'PASS: a deadline that is far or 0 stays and interrupts nobody\n' +
        'PASS: a past deadline interrupts at once and reads 0\n' +
        'PASS: HLT ends at the deadline\n' +
        'PASS: masked, a past deadline reads 0 and interrupts nobody\n' +
        'SUMMARY: 4 tests\n',
    )
  })
})

/** Exits of a run by level and reason, without those of the console. */
function exitsOf(ticks: number, path: string, options: RunOptions): Record<string, number> {
  const { reader } = recorded(path, { ...options, defines: { TICKS: String(ticks) } })
  const counts: Record<string, number> = {}
  for (const { level, reason, samples } of exitStatistics(reader.events())) {
    const key = `L${level} ${reason}`
    if (reason !== 'IO_INSTRUCTION') counts[key] = (counts[key] ?? 0) + samples
  }
  return counts
}

/** Exits per timer: the difference of two tick counts. */
function exitsPerTimer(path: string, options: RunOptions): Record<string, number> {
  const [few, many] = [exitsOf(2, path, options), exitsOf(6, path, options)]
  const all = Object.entries(many!).map(([key, count]) => [key, (count - (few![key] ?? 0)) / 4] as const)
  return Object.fromEntries(all.filter(([, count]) => count !== 0))
}

const BUSY = 'examples/deadline-busy.asm'
const HLT = 'examples/deadline-hlt.asm'
const off = { apic_timer_virt: false }

describe('exits per timer', () => {
  test('busy at L1: two without the feature, none with it', () => {
    expect(exitsPerTimer(BUSY, { parameters: off })).toEqual({ 'L1 MSR_WRITE': 1, 'L1 PREEMPTION_TIMER': 1 })
    expect(exitsPerTimer(BUSY, {})).toEqual({})
  })
  test('HLT at L1: the write and the HLT without the feature, the HLT with it', () => {
    expect(exitsPerTimer(HLT, { parameters: off })).toEqual({ 'L1 MSR_WRITE': 1, 'L1 HLT': 1 })
    expect(exitsPerTimer(HLT, {})).toEqual({ 'L1 HLT': 1 })
  })
  test('busy at L2 with the feature at both levels: none', () => {
    expect(exitsPerTimer(BUSY, { level: 'L2' })).toEqual({})
  })
  test('busy at L2 without it: two round trips, four exits, and those of the guest hypervisor itself', () => {
    for (const parameters of [off, { nested_apic_timer_virt: false }]) {
      const exits = exitsPerTimer(BUSY, { level: 'L2', parameters })
      expect(exits).toMatchObject({ 'L2 MSR_WRITE': 1, 'L2 EXTERNAL_INTERRUPT': 1, 'L1 VMRESUME': 2 })
      expect(Object.keys(exits).filter(key => key.startsWith('L2'))).toHaveLength(2)
    }
  })
})
