/** Halt polling (`halt_poll_ns`): how long a halted vCPU polls, what it saves, and the counters that tell of it. */

import { describe, expect, test } from 'vitest'
import type { RunOptions } from '../../src/session/config.ts'
import { run, started } from './rig.ts'

const GUEST = 'examples/deadline-hlt.asm'

interface Halted {
  /** The polling time after each change. */
  readonly polls: readonly number[]
  /** Whether the thread slept, wait by wait. */
  readonly slept: readonly boolean[]
  readonly stats: Readonly<Record<string, number>>
  readonly console: string
}

/** A guest that waits so many microseconds at a time. */
function halted(microseconds: number, options: RunOptions = {}, pollNs = 0): Halted {
  const guest = started(GUEST, { ...options, defines: { TICKS: '8', PERIOD: String(microseconds * 2000) } })
  const host = guest.machine.host as { vms: { vcpus: { halt: { pollNs: number } }[] }[] }
  host.vms[0]!.vcpus[0]!.halt.pollNs = pollNs
  const { events, console } = run(guest)
  return {
    polls: events.flatMap(event => (event.kind === 'kvm_halt_poll_ns' ? [event.new] : [])),
    slept: events.flatMap(event => (event.kind === 'kvm_vcpu_wakeup' ? [event.wait === 1] : [])),
    stats: guest.vmm!.vcpu.getStats(),
    console,
  }
}

describe('how long a halted vCPU polls', () => {
  test('grows from 10 microseconds, twofold, until it covers the wait, which then costs no sleep', () => {
    const { polls, slept } = halted(150)
    expect(polls).toEqual([10_000, 20_000, 40_000, 80_000, 160_000])
    expect(slept).toEqual([true, true, true, true, true, false, false, false])
  })
  test('does not grow for waits beyond halt_poll_ns', () => {
    expect(halted(500).polls).toEqual([])
    expect(halted(150, { parameters: { halt_poll_ns: 100_000 } }).polls).toEqual([])
  })
  test('is halved by such waits, and below 10 microseconds it is over', () => {
    expect(halted(500, {}, 80_000).polls).toEqual([40_000, 20_000, 10_000, 0])
  })
  test('never exceeds halt_poll_ns; with 0 every wait is a sleep', () => {
    expect(halted(150, {}, 5_000_000).slept).toEqual(Array(8).fill(false))
    const none = halted(150, { parameters: { halt_poll_ns: 0 } }, 80_000)
    expect(none.slept).toEqual(Array(8).fill(true))
    expect(none.polls).toEqual([])
  })
})

test('polling makes ticks come sooner, and none early', () => {
  const mean = ({ console }: Halted): number => Number(/late, mean: +(\d+)/.exec(console)?.[1])
  const polled = halted(10)
  expect(mean(polled)).toBeLessThan(mean(halted(10, { parameters: { halt_poll_ns: 0 } })))
  expect(polled.console).toContain('PASS: no tick came early')
})

describe('the counters of a vCPU', () => {
  test('tell of halts, polls and injected deadlines', () => {
    const { stats } = halted(150)
    expect(stats).toMatchObject({
      halt_exits: 8,
      halt_wakeup: 8,
      halt_attempted_poll: 7,
      halt_successful_poll: 3,
      inject_tscdeadline: 8,
    })
    expect(stats.halt_poll_success_ns).toBeGreaterThan(3 * 140_000)
    expect(stats.halt_poll_fail_ns).toBe(10_000 + 20_000 + 40_000 + 80_000)
  })
  test('count each kind of exit among all', () => {
    const guest = started('examples/deadline-busy.asm', { parameters: { apic_timer_virt: false }, defines: { TICKS: '5' } })
    const { events } = run(guest)
    const reasons = events.flatMap(event => (event.kind === 'kvm_exit' ? [event.reason] : []))
    const stats = guest.vmm!.vcpu.getStats()
    expect(stats.exits).toBe(reasons.length)
    expect(stats.io_exits).toBe(reasons.filter(reason => reason === 30).length)
    expect(stats.pf_taken).toBe(reasons.filter(reason => reason === 48).length)
    expect(stats).toMatchObject({ halt_exits: 0, inject_tscdeadline: 5, nested_run: 0 })
  })
})
