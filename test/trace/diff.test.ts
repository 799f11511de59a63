import { describe, expect, test } from 'vitest'
import type { TraceEvent } from '../../src/spec/trace-events.ts'
import { diffTraces, type TraceDiff } from '../../src/trace/diff.ts'
import { diffJson, diffText, firstDifferenceText, verdictText } from '../../src/trace/diff-text.ts'
import type { TraceReader } from '../../src/trace/file.ts'
import type { Projection } from '../../src/trace/projection.ts'
import { event, traceOf } from './samples.ts'

const EXIT = { info1: 0n, info2: 0n, intr_info: 0, error_code: 0 }

/** Ticks of a guest's timer under KVM: armed by an exit and fired by the preemption timer, or neither. */
function ticks(count: number, { byExits, late = 0 }: { byExits: boolean; late?: number }): TraceEvent[] {
  const events: TraceEvent[] = []
  let tick = 0
  const at = (cycles: number, level: 0 | 1 = 1): { tick: number; level: 0 | 1 } => {
    tick += cycles
    return { tick, level }
  }
  events.push(event('kvm_entry', { rip: 0x1000n }, at(0)))
  for (let i = 0; i < count; i++) {
    if (byExits) {
      events.push(event('kvm_exit', { ...EXIT, reason: 32, rip: 0x1010n }, at(100)))
      events.push(event('kvm_msr', { write: 1, index: 0x6e0, value: BigInt(5000 + tick), exception: 0 }, at(10)))
      events.push(event('kvm_entry', { rip: 0x1012n }, at(900)))
      events.push(event('kvm_exit', { ...EXIT, reason: 52, rip: 0x1020n + BigInt(i % 3) }, at(3000)))
      events.push(event('interrupt', { vector: 0x20, source: 'host timer', rip: 0n }, at(10, 0)))
      events.push(event('kvm_entry', { rip: 0x1020n }, at(900)))
    } else {
      events.push(event('apic_timer_arm', { virtual_deadline: 1n, deadline: BigInt(5000 + tick) }, at(100)))
      at(3900)
    }
    events.push(event('interrupt', { vector: 0xec, source: 'virtual', rip: BigInt(0x1020 + (i % 3)) }, at(20 + (i === 2 ? late : 0))))
  }
  events.push(event('kvm_exit', { ...EXIT, reason: 30, rip: 0x1030n }, at(50)))
  events.push(event('kvm_pio', { write: 1, port: 0x3f8, size: 1, count: 1, value: 0x50 }, at(10)))
  events.push(event('kvm_entry', { rip: 0x1031n }, at(900)))
  events.push(event('end', { reason: 'exit-port', status: 0, instructions: 100, hash: 'ab' }, at(10)))
  return events
}

const off = (count = 5): TraceReader => traceOf(ticks(count, { byExits: true }), { kvm: { apic_timer_virt: 0, ept: 1 } })
const on = (count = 5): TraceReader => traceOf(ticks(count, { byExits: false }), { kvm: { apic_timer_virt: 1, ept: 1 } })

const compare = (a: TraceReader, b: TraceReader, by: Projection, tolerance = 0): TraceDiff => diffTraces(a, b, { by, tolerance })

describe('the difference of two traces', () => {
  test('with and without exits is none to the guest, and the verdict says which exits are gone and why', () => {
    const diff = compare(off(), on(), 'arch')
    expect(diff.equal).toBe(true)
    expect(diff.sameExits).toBe(false)
    expect(verdictText(diff)).toBe(
      'the guest sees the same in both; L1 MSR_WRITE 6e0 (IA32_TSC_DEADLINE) 5 -> 0, L1 PREEMPTION_TIMER 5 -> 0; configuration: apic_timer_virt 0 -> 1',
    )
  })

  test('by exits tells repeated hunks once', () => {
    const [a, b] = [off(100), on(100)]
    const diff = compare(a, b, 'exits')
    const text = diffText(diff, { a, b, nameA: 'off.vtrace', nameB: 'on.vtrace' })
    expect(diff.equal).toBe(false)
    expect(diff.groups.length).toBe(1) // all 200 exits stand before the one that both have
    expect(text).toContain('- #1 L1 exit    MSR_WRITE 0x1010  w 6e0 (IA32_TSC_DEADLINE) = 0x13ec')
    expect(text).toContain('- ... and 94 L1 MSR_WRITE, 94 L1 PREEMPTION_TIMER')
    expect(text).toMatch(/L1 PREEMPTION_TIMER +100 +-> +0 +\(-100\)/)
    expect(text).toMatch(/L1 IO_INSTRUCTION +1 +-> +1$/m)
  })

  test('by everything starts a hunk with the exit and groups hunks of the same make', () => {
    const [a, b] = [off(100), on(100)]
    const diff = compare(a, b, 'all', 1e9)
    expect(diff.hunkCount).toBe(100)
    expect(diff.groups.map(({ count }) => count)).toEqual([100])
    expect(a.event(diff.hunks[0]!.a[0]!).kind).toBe('kvm_exit')
    expect(diffText(diff, { a, b, nameA: 'a', nameB: 'b' })).toContain('... and 99 more like this')
  })

  test('of a run with itself is none, in every projection', () => {
    for (const by of ['arch', 'exits', 'timing', 'all'] as const)
      expect(compare(off(), off(), by)).toMatchObject({ equal: true, sameExits: true, config: [] })
    expect(verdictText(compare(off(), off(), 'all'))).toBe('the traces are the same, event by event; same number of exits of every kind')
  })

  test('of traces of several chunks is found in the last one too, in every projection', () => {
    const [a, b] = [off(2000), traceOf(ticks(2000, { byExits: true }).map(e => (e.kind === 'end' ? { ...e, status: 1 } : e)))]
    expect(a.chunkCount).toBeGreaterThan(2)
    for (const by of ['arch', 'timing', 'all'] as const)
      expect(compare(a, b, by).hunks).toMatchObject([{ a: [a.count - 1], b: [b.count - 1] }])
    expect(compare(a, b, 'exits').equal).toBe(true)
  })

  test('names the first difference in words', () => {
    const [a, b] = [off(3), off(4)]
    const diff = compare(a, b, 'arch')
    expect(firstDifferenceText(diff, { a, b, nameA: 'a', nameB: 'b' })).toBe(
      'A goes on with #23 L1 pio     w 0x3f8 = 0x50; B has #28 L1 irq     0xec virtual',
    )
    const changed = traceOf(ticks(3, { byExits: true }).map(e => (e.kind === 'end' ? { ...e, status: 1 } : e)))
    const status = compare(off(3), changed, 'arch')
    expect(firstDifferenceText(status, { a: off(3), b: changed, nameA: 'a', nameB: 'b' })).toContain('A has #25 L1 end')
    expect(status.config).toEqual([
      { name: 'apic_timer_virt', path: 'kvm.apic_timer_virt', a: '0', b: undefined },
      { name: 'ept', path: 'kvm.ept', a: '1', b: undefined },
    ])
  })

  test('in time is the growth since the event before, beyond the tolerance', () => {
    const late = traceOf(ticks(5, { byExits: false, late: 200 }), { kvm: { apic_timer_virt: 1, ept: 1 } })
    const diff = compare(on(), late, 'timing', 64)
    expect(diff.hunks).toMatchObject([{ kind: 'time', growth: [4020, 4220] }])
    expect(diff.largestTimeDelta).toBe(200)
    expect(compare(on(), late, 'timing', 200).equal).toBe(true)
    expect(compare(on(), late, 'arch').equal).toBe(true)
    expect(firstDifferenceText(diff, { a: on(), b: late, nameA: 'a', nameB: 'b' })).toBe(
      '#6 L1 irq     0xec virtual comes at another time: +4 020 -> +4 220 cycles (+200) since the event before',
    )
  })

  test('counts the level of an event only when both reach equally deep', () => {
    const guest = (level: 1 | 2): TraceEvent[] => [
      event('kvm_entry', { rip: 0n }, { level }),
      event('exception', { vector: 14, error_code: 2, rip: 5n, cr2: 0x1000n }, { level, tick: 5 }),
    ]
    expect(compare(traceOf(guest(1)), traceOf(guest(2)), 'arch').equal).toBe(true)
    const moved = guest(2).map((e, i): TraceEvent => (i === 1 ? { ...e, level: 1 } : e))
    expect(compare(traceOf(guest(2)), traceOf(moved), 'arch').equal).toBe(false)
  })

  test('is the same JSON shape whatever is found', () => {
    const [a, b] = [off(2), on(2)]
    const json = JSON.parse(JSON.stringify(diffJson(compare(a, b, 'exits'), { a, b, nameA: 'a', nameB: 'b' })))
    expect(json).toMatchObject({
      version: 1,
      by: 'exits',
      equal: false,
      same_exits: false,
      configuration: [{ path: 'kvm.apic_timer_virt', a: '0', b: '1' }],
      hunk_count: 1,
      exits: [
        { level: 1, reason: 'MSR_WRITE', msr: 0x6e0, a: 2, b: 0 },
        { reason: 'PREEMPTION_TIMER', a: 2, b: 0 },
        { reason: 'IO_INSTRUCTION', a: 1, b: 1 },
      ],
    })
    expect(json.hunks[0].a.length).toBe(4)
  })
})
