import { describe, expect, test } from 'vitest'
import type { TraceEvent } from '../../src/spec/trace-events.ts'
import { exitCount, exitLabel, exitStatistics, type StatGroup, statisticsBy } from '../../src/trace/statistics.ts'
import {
  latencyHistogram,
  latencyHistogramText,
  statChanges,
  statChangesText,
  statisticsJson,
  statisticsText,
} from '../../src/trace/statistics-text.ts'
import { event, traceOf } from './samples.ts'

const EXIT = { rip: 0n, info1: 0n, info2: 0n, intr_info: 0, error_code: 0 }
const exit = (tick: number, reason: number, stamp = {}): TraceEvent => event('kvm_exit', { ...EXIT, reason }, { tick, ...stamp })
const entry = (tick: number, stamp = {}): TraceEvent => event('kvm_entry', { rip: 0n }, { tick, ...stamp })
const msr = (tick: number, index: number, stamp = {}): TraceEvent =>
  event('kvm_msr', { write: 1, index, value: 0n, exception: 0 }, { tick, ...stamp })

const at = (rip: bigint, e: TraceEvent): TraceEvent => ({ ...e, rip }) as TraceEvent

const MSR_WRITE = 32
const HLT = 12

const run = [
  entry(0),
  exit(100, MSR_WRITE),
  msr(110, 0x6e0),
  entry(150), // 50
  exit(200, MSR_WRITE),
  msr(210, 0x6e0),
  msr(212, 0x10), // a second one does not rename the exit
  entry(270), // 70
  exit(300, MSR_WRITE),
  msr(305, 0x80b),
  entry(320), // 20
  exit(400, HLT),
  entry(1260), // 860
  exit(1300, HLT, { cpu: 1, level: 2 }),
  exit(1310, HLT), // never entered again
  entry(1400, { cpu: 1, level: 2 }), // 100
]

describe('the statistics of VM exits', () => {
  const rows = exitStatistics(run)

  test('count by level, reason and the MSR that KVM names before the next entry', () => {
    expect(rows.map(({ level, reason, msr: index, samples }) => [level, reason, index, samples])).toEqual([
      [1, 'HLT', undefined, 2],
      [1, 'MSR_WRITE', 0x6e0, 2],
      [1, 'MSR_WRITE', 0x80b, 1],
      [2, 'HLT', undefined, 1],
    ])
    expect(exitCount(rows, { reason: 'MSR_WRITE' })).toBe(3)
    expect(exitCount(rows, { reason: 'MSR_WRITE', msr: 0x6e0 })).toBe(2)
    expect(exitCount(rows, { reason: 'HLT', level: 2 })).toBe(1)
    expect(exitCount(rows, { reason: 'CPUID' })).toBe(0)
  })

  test('time an exit up to the next entry of the same CPU, and leave out one that none follows', () => {
    const [hlt, deadline] = rows
    expect(hlt).toMatchObject({ ticks: 860, min: 860, max: 860, avg: 860 })
    expect(deadline).toMatchObject({ ticks: 120, min: 50, max: 70, avg: 60 })
  })

  test('have the columns of perf kvm stat', () => {
    expect(
      statisticsText(rows)
        .split('\n')
        .map(line => line.replace(/ {2,}/g, ' | ')),
    ).toEqual([
      'event, times in cycles | samples | samples% | time% | min | max | avg | p50 | p90 | p99',
      'L1 HLT | 2 | 33.33% | 78.18% | 860 | 860 | 860 | 860 | 860 | 860',
      'L1 MSR_WRITE 6e0 (IA32_TSC_DEADLINE) | 2 | 33.33% | 10.91% | 50 | 70 | 60 | 50 | 70 | 70',
      'L1 MSR_WRITE 80b (IA32_X2APIC_EOI) | 1 | 16.67% | 1.82% | 20 | 20 | 20 | 20 | 20 | 20',
      'L2 HLT | 1 | 16.67% | 9.09% | 100 | 100 | 100 | 100 | 100 | 100',
      'total | 6',
    ])
    expect(statisticsText([])).toBe('no VM exits')
  })

  test('are rows for programs', () => {
    const { version, rows: json } = statisticsJson(rows)
    expect(version).toBe(1)
    expect(json[1]).toMatchObject({ level: 1, reason: 'MSR_WRITE', msr: 0x6e0, samples: 2, min: 50, max: 70, avg: 60 })
    expect(json[0]).not.toHaveProperty('msr')
  })

  test('group by level, source line and vCPU', () => {
    const reader = traceOf([
      at(0x100004n, exit(100, MSR_WRITE)),
      msr(110, 0x6e0),
      entry(150),
      at(0x100004n, exit(200, HLT, { cpu: 1 })),
      entry(300, { cpu: 1 }),
      at(0x5000n, exit(400, HLT, { level: 2 })),
    ])
    const labels = (by: StatGroup): string[] => statisticsBy(reader, by).map(row => `${row.samples} ${exitLabel(row)}`)
    expect(labels('level')).toEqual(['2 L1', '1 L2'])
    expect(labels('line')).toEqual(['1 sample.asm:2 L1 HLT', '1 sample.asm:2 L1 MSR_WRITE 6e0 (IA32_TSC_DEADLINE)', '1 0x5000 L2 HLT'])
    expect(labels('vcpu')).toEqual(['1 vcpu0 L1 MSR_WRITE 6e0 (IA32_TSC_DEADLINE)', '1 vcpu0 L2 HLT', '1 vcpu1 L1 HLT'])
  })

  test('name the MSR of an exit of L2 that L1 gets', () => {
    const reflected = [
      exit(100, MSR_WRITE, { level: 2 }),
      event('nested_msr_exit', { write: 1, index: 0x1b }, { tick: 105, level: 2 }),
      entry(150),
    ]
    expect(exitStatistics(reflected)).toMatchObject([{ level: 2, reason: 'MSR_WRITE', msr: 0x1b, ticks: 50 }])
  })

  test('draw how long exits take, HLT apart', () => {
    expect(latencyHistogramText(latencyHistogram(rows)).split('\n')).toEqual([
      'cycles from  to  exits   (HLT apart)',
      '         16  23      1  ########################################',
      '         24  31      0',
      '         32  47      0',
      '         48  63      1  ########################################',
      '         64  95      1  ########################################',
    ])
  })

  test('of two runs say what changed, most first', () => {
    const other = exitStatistics([exit(100, HLT), entry(200), exit(300, 10), entry(310)])
    expect(statChanges(rows, other).map(({ label, a, b }) => [label, a?.samples, b?.samples])).toEqual([
      ['L1 MSR_WRITE 6e0 (IA32_TSC_DEADLINE)', 2, undefined],
      ['L1 HLT', 2, 1],
      ['L1 MSR_WRITE 80b (IA32_X2APIC_EOI)', 1, undefined],
      ['L2 HLT', 1, undefined],
      ['L1 CPUID', undefined, 1],
    ])
    expect(statChangesText(statChanges(rows, other)).split('\n').at(-1)?.replace(/ {2,}/g, ' | ')).toBe(
      'total | 6 | 2 | -4 | 1 100 | 110 | -990',
    )
  })

  test('of a bare CPU come from its own exits and entries', () => {
    const bare = [
      event('vmx_exit', { ...EXIT, reason: 10, length: 2 }, { tick: 10 }),
      event('vmx_entry', { rip: 0n, vmcs: 0n }, { tick: 25, level: 0 }),
    ]
    expect(exitStatistics(bare)).toMatchObject([{ level: 1, reason: 'CPUID', samples: 1, ticks: 15 }])
  })
})
