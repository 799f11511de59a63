/** The adaptive advance of deadlines (`lapic_timer_advance`): its rule, its bounds, and what it is worth to a guest. */

import { describe, expect, test } from 'vitest'
import { type RunConfig, resolveRunConfig } from '../../src/session/config.ts'
import { drive, startRun } from '../../src/session/guest-run.ts'
import type { EventOf, TraceEvent } from '../../src/spec/trace-events.ts'
import { guestImage } from '../recorded.ts'

const OFF = { apic_timer_virt: false }
const NS_PER_CYCLE = 0.5 // at 2 GHz

interface Waited {
  readonly deltas: readonly number[]
  readonly advanceNs: number
  readonly console: string
}

function waits(config: RunConfig, guest = 'examples/deadline-busy.asm'): Waited {
  const events: TraceEvent[] = []
  const run = startRun(config, guestImage(guest, { TICKS: '40' }), event => events.push(event))
  drive(run)
  const deltas = events
    .filter((event): event is EventOf<'kvm_wait_lapic_expire'> => event.kind === 'kvm_wait_lapic_expire')
    .map(({ delta }) => Number(BigInt.asIntN(64, delta)))
  const bytes = events.flatMap(event => (event.kind === 'console' ? [event.byte] : []))
  const host = run.machine.host as { vms: { vcpus: { timer: { advanceNs: number } }[] }[] }
  return { deltas, advanceNs: host.vms[0]!.vcpus[0]!.timer.advanceNs, console: Buffer.from(bytes).toString('latin1') }
}

/** The rule once more: an eighth of an error between 100 and 10,000 cycles, and from the start again beyond 5000 ns. */
const adapted = (deltas: readonly number[]): number =>
  deltas.reduce((advance, delta) => {
    const error = Math.abs(delta)
    if (error < 100 || error > 10_000) return advance
    const next = advance + Math.sign(delta) * Math.floor(Math.floor(error * NS_PER_CYCLE) / 8)
    return next > 5000 || next < 0 ? 1000 : next
  }, 1000)

const leastLate = (console: string): number => Number(/late, least: +(\d+)/.exec(console)?.[1])

/** The same machine, but KVM's way out of the guest takes so long. */
function slow(exitTicks: number): RunConfig {
  const config = resolveRunConfig({ parameters: OFF })
  return { ...config, machine: { ...config.machine, costs: { ...config.machine.costs, vmExit: exitTicks } } }
}

describe('lapic_timer_advance', () => {
  test.each([
    ['a busy guest', resolveRunConfig({ parameters: OFF }), 'examples/deadline-busy.asm'],
    ['a halted guest', resolveRunConfig({ parameters: OFF }), 'examples/deadline-hlt.asm'],
    ['a halted guest with the guest timer', resolveRunConfig(), 'examples/deadline-hlt.asm'],
    ['exits that take 3 microseconds', slow(6000), 'examples/deadline-busy.asm'],
  ])('%s: the advance follows each error by an eighth', (_, config, guest) => {
    const { deltas, advanceNs } = waits(config, guest)
    expect(deltas).toHaveLength(40)
    expect(advanceNs).toBe(adapted(deltas))
  })
  test('settles where the entry is less than 100 cycles off', () => {
    const { deltas } = waits(resolveRunConfig({ parameters: OFF }))
    expect(Math.abs(deltas.at(-1)!)).toBeLessThan(100)
  })
  test('starts anew beyond 5000 ns, where nothing it could do would help', () => {
    const { deltas, advanceNs } = waits(slow(16_000))
    expect(deltas.some(delta => delta > 5000)).toBe(true)
    expect(advanceNs).toBeLessThanOrEqual(5000)
    expect(advanceNs).toBe(adapted(deltas))
  })
  test('no tick comes early, and all come sooner than without it', () => {
    const early = waits(resolveRunConfig({ parameters: OFF }))
    const plain = waits(resolveRunConfig({ parameters: { ...OFF, lapic_timer_advance: false } }))
    expect(early.console).toContain('PASS: no tick came early')
    expect(plain.deltas).toEqual([])
    expect(plain.advanceNs).toBe(0)
    expect(leastLate(early.console)).toBeLessThan(leastLate(plain.console))
  })
})
