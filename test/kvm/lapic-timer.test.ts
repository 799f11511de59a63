/** The choice of the timer's back end, its state machine as guests see it, and the conversion of deadlines to host TSC. */

import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Context } from '../../src/kvm/context.ts'
import { type TimerSituation, timerBackend } from '../../src/kvm/lapic-timer.ts'
import { toHost } from '../../src/kvm/tsc.ts'
import type { EventKind, EventOf } from '../../src/spec/trace-events.ts'
import { recorded } from '../recorded.ts'

const USABLE: TimerSituation = {
  mode: 'tsc-deadline',
  masked: false,
  apicvActive: true,
  rdtscExiting: false,
  inGuestMode: false,
  hasGuestTimer: true,
  hasPreemptionTimer: true,
}

describe('which timer carries the deadline', () => {
  test('the guest timer, when everything allows it', () => {
    expect(timerBackend(USABLE)).toBe('guest')
  })
  test.each<Partial<TimerSituation>>([
    { mode: 'one-shot' },
    { mode: 'periodic' },
    { masked: true },
    { apicvActive: false },
    { rdtscExiting: true },
    { hasGuestTimer: false },
  ])('%o falls back to the preemption timer, and without that to software', change => {
    expect(timerBackend({ ...USABLE, ...change })).toBe('preemption')
    expect(timerBackend({ ...USABLE, ...change, hasPreemptionTimer: false })).toBe('software')
  })
})

const ofKind = <K extends EventKind>(events: ReturnType<typeof recorded>['events'], kind: K): EventOf<K>[] =>
  events.filter(event => event.kind === kind) as unknown as EventOf<K>[]

const virtTimerStates = (path: string, parameters = {}): number[] =>
  ofKind(recorded(path, { parameters }).events, 'kvm_apic_virt_timer_state').map(event => event.apic_virt_timer)

describe('the trace says when the CPU gets the timer and when KVM takes it back', () => {
  test('TSC-deadline mode: once, and for good', () => {
    expect(virtTimerStates('examples/deadline-busy.asm')).toEqual([1])
  })
  test('one-shot mode takes it back', () => {
    expect(virtTimerStates('examples/one-shot.asm')).toEqual([1, 0])
  })
  test('a masked LVT entry takes it back', () => {
    expect(virtTimerStates('examples/masked.asm')).toEqual([1, 0])
  })
  test('never with apic_timer_virt=0 or enable_apicv=0', () => {
    expect(virtTimerStates('examples/deadline-busy.asm', { apic_timer_virt: false })).toEqual([])
    expect(virtTimerStates('examples/deadline-busy.asm', { enable_apicv: false })).toEqual([])
  })
})

describe('a halted guest', () => {
  test('wakes by the host timer while the guest timer stays in use', () => {
    const { events } = recorded('examples/deadline-hlt.asm', { defines: { TICKS: '5' } })
    expect(ofKind(events, 'hrtimer_expire_entry')).toHaveLength(5)
    expect(ofKind(events, 'kvm_vcpu_wakeup')).toHaveLength(5)
    expect(ofKind(events, 'kvm_apic_virt_timer_state').map(event => event.apic_virt_timer)).toEqual([1])
  })
  test('with apic_timer_virt=0 moves from the preemption timer to the host timer and back', () => {
    const { events } = recorded('examples/deadline-hlt.asm', { defines: { TICKS: '5' }, parameters: { apic_timer_virt: false } })
    expect(ofKind(events, 'hrtimer_expire_entry')).toHaveLength(5)
    expect(ofKind(events, 'kvm_hv_timer_state').map(event => event.hv_timer)).toEqual([1, 0, 1, 0, 1, 0, 1, 0, 1, 0])
  })
})

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
const { cases } = JSON.parse(readFileSync(new URL('../hw/time/deadline-vectors.json', import.meta.url), 'utf8')) as {
  cases: readonly Row[]
}

describe('KVM converts a deadline to the same host TSC as the CPU does; the past becomes 1', () => {
  test.each(cases)('%s', (_name, physical, multiplier, offset, _now, written, outcome, deadline) => {
    const context = {
      cpu: { rdtsc: () => BigInt(physical) },
      vcpu: { tscMultiplier: BigInt(multiplier), tscOffset: BigInt(offset) },
    } as unknown as Context
    const expected = outcome === 'disarm' ? 0n : outcome === 'fire-now' ? 1n : BigInt(deadline)
    expect(toHost(context, BigInt(written))).toBe(expected)
  })
})
