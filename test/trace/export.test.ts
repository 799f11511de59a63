/** Traces for other tools: ftrace text that comes back as it was, and JSON that keeps the rules of Perfetto's format. */

import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import type { TraceEvent } from '../../src/spec/trace-events.ts'
import { ftraceLines } from '../../src/trace/export/ftrace.ts'
import { type PerfettoEvent, perfettoEvents } from '../../src/trace/export/perfetto.ts'
import { isFtraceEvent, isFtraceKind, parseFtraceText } from '../../src/trace/ftrace-formats.ts'
import { importFtrace } from '../../src/trace/import-ftrace.ts'
import { recorded } from '../recorded.ts'
import { arbitraryEvent, event } from './samples.ts'

const KHZ = 2_000_000

describe('ftrace text', () => {
  test('comes back as the events that it was made of, with the clock that counts cycles', () => {
    const ofKernel = arbitraryEvent.filter(isFtraceEvent).map(plain)
    fc.assert(
      fc.property(fc.array(ofKernel, { minLength: 1, maxLength: 30 }), events => {
        const text = [...ftraceLines(events, KHZ, 'x86-tsc')].join('\n')
        expect(importFtrace(text, KHZ)).toEqual({ events, skipped: new Map() })
      }),
      { seed: 7, numRuns: 300 },
    )
  })

  test('reads like the kernel writes', () => {
    const exit = event(
      'kvm_exit',
      { reason: 12, rip: 0x1000n, info1: 0n, info2: 0n, intr_info: 0, error_code: 0 },
      { tick: 3_000_000, cpu: 1 },
    )
    expect([...ftraceLines([exit], KHZ, 'local')].at(-1)).toBe(
      '   vtick-L1-1001    [001] d..1.     0.001500: kvm_exit: vcpu 1 reason HLT rip 0x1000 info1 0x0000000000000000 ' +
        'info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000',
    )
  })

  // Lines as kernels of several years and trace-cmd print them.
  test.each([
    [
      '       CPU 0/KVM-4242  [003]  1234.567890: kvm_entry:            vcpu 0, rip 0xffffffff81000000',
      'kvm_entry',
      { rip: 0xffffffff81000000n },
    ],
    [' qemu-system-x86-4242    [003] d..2.  1234.567890: kvm_entry: vcpu 0', 'kvm_entry', { rip: 0n }],
    [
      ' CPU 0/KVM-4242 [003] d..1 1.5: kvm_exit: vcpu 2 reason MSR_WRITE rip 0x10 info 0 80000b0e',
      'kvm_exit',
      { cpu: 2, reason: 32, info2: 0x80000b0en },
    ],
    [' CPU 0/KVM-4242 [003] d..1 1.5: kvm_exit: reason HLT rip 0x10 info 0 0', 'kvm_exit', { reason: 12 }],
    [
      ' CPU 0/KVM-4242 [003] .... 1.5: kvm_msr: msr_write 6e0 = 0x2b3c4d5e6f',
      'kvm_msr',
      { write: 1, index: 0x6e0, value: 0x2b3c4d5e6fn, exception: 0 },
    ],
    [' CPU 0/KVM-4242 [003] .... 1.5: kvm_msr: msr_read 10a = 0x0 (#GP)', 'kvm_msr', { write: 0, exception: 1 }],
    [' CPU 0/KVM-4242 [003] .... 1.5: kvm_inj_virq: irq 236', 'kvm_inj_virq', { vector: 236, soft: 0, reinjected: 0 }],
    [' CPU 0/KVM-4242 [003] .... 1.5: kvm_inj_virq: Soft/INTn 0x80 [reinjected]', 'kvm_inj_virq', { vector: 128, soft: 1, reinjected: 1 }],
    [
      ' CPU 0/KVM-4242 [003] .... 1.5: kvm_apic: apic_write APIC_LVTT = 0x400ec',
      'kvm_apic',
      { write: 1, register: 0x320, value: 0x400ecn },
    ],
    [
      ' CPU 0/KVM-4242 [003] .... 1.5: kvm_apic_accept_irq: apicid 0 vec 236 (Fixed|edge)',
      'kvm_apic_accept_irq',
      { vector: 236, mode: 'Fixed' },
    ],
    [
      ' CPU 0/KVM-4242 [003] .... 1.5: hrtimer_start: hrtimer=ffff88800 function=apic_timer_fn expires=77 softexpires=77 mode=ABS',
      'hrtimer_start',
      { expires: 77n },
    ],
    [' CPU 0/KVM-4242 [003] .... 1.5: kvm_userspace_exit: reason KVM_EXIT_IO (2)', 'kvm_userspace_exit', { reason: 'KVM_EXIT_IO' }],
    [
      ' CPU 0/KVM-4242 [003] .... 1.5: kvm_cpuid: func 1 idx 0 rax a0655 rbx 800 rcx 0 rdx 1f, cpuid entry found',
      'kvm_cpuid',
      { leaf: 1, eax: 0xa0655 },
    ],
  ])('is read from %s', (line, kind, fields) => {
    expect(importFtrace(line, KHZ)).toMatchObject({ events: [{ kind, tick: 0, ...fields }], skipped: new Map() })
  })

  test('counts what it leaves out', () => {
    const { events, skipped } = importFtrace(
      '# tracer: nop\ncpus=8\nrubbish\n a-1 [000] d..1. 1.0: sched_switch: prev=a\n a-1 [000] d..1. 1.0: kvm_eoi: other words\n',
      KHZ,
    )
    expect(events).toEqual([])
    expect(Object.fromEntries(skipped)).toEqual({ 'not a line of a trace': 1, sched_switch: 1, 'kvm_eoi in another wording': 1 })
  })

  test('of any kind is read or refused, whatever it says', () => {
    const kinds = fc.constantFrom('kvm_exit', 'kvm_msr', 'kvm_apic', 'kvm_inj_exception', 'hrtimer_start')
    fc.assert(
      fc.property(kinds, fc.string(), (kind, text) => !isFtraceKind(kind) || typeof (parseFtraceText(kind, text) ?? {}) === 'object'),
    )
  })
})

/** The arbitrary events hold any text; a tracepoint's words have no blanks, and its level and CPU are what a line can say. */
function plain(from: TraceEvent): TraceEvent {
  const fields = Object.entries(from).map(([name, value]) => {
    if (name === 'kind') return [name, value]
    if (typeof value === 'string') return [name, `w${value.replace(/\W/g, '')}`]
    if (['write', 'soft', 'reinjected', 'wait', 'valid', 'grow', 'set'].includes(name) || (name === 'exception' && from.kind === 'kvm_msr'))
      return [name, Number(value) & 1]
    if (name === 'reason' && typeof value === 'number') return [name, ((value & 0x8000_0000) | (value & 0xffff)) >>> 0]
    return [name, value]
  })
  return Object.fromEntries(fields) as TraceEvent
}

describe('JSON for Perfetto', () => {
  let entries: readonly PerfettoEvent[]

  beforeAll(() => {
    const { reader } = recorded('examples/deadline-busy.asm', { defines: { TICKS: '5' } })
    entries = [...perfettoEvents(reader.events(), KHZ)]
  })

  test('has slices that nest: on no track do two overlap', () => {
    const tracks = new Map<string, PerfettoEvent[]>()
    for (const entry of entries) {
      const track = `${entry.pid} ${entry.tid}`
      if (entry.ph === 'X') tracks.set(track, [...(tracks.get(track) ?? []), entry])
    }
    expect(tracks.size).toBe(2)
    for (const slices of tracks.values()) {
      let end = 0
      for (const { ts, dur } of slices) {
        expect(ts).toBeGreaterThanOrEqual(end)
        expect(dur).toBeGreaterThanOrEqual(0)
        end = ts! + dur!
      }
    }
  })

  test('has an arrow with both ends for each of the five ticks, each inside a slice of its track', () => {
    const starts = entries.filter(({ ph }) => ph === 's')
    const ends = entries.filter(({ ph }) => ph === 'f')
    expect(starts.map(({ id }) => id)).toEqual(ends.map(({ id }) => id))
    expect(starts.length).toBe(5)
    for (const arrow of [...starts, ...ends]) {
      const around = entries.filter(
        ({ ph, pid, tid, ts, dur }) => ph === 'X' && pid === arrow.pid && tid === arrow.tid && ts! <= arrow.ts! && arrow.ts! <= ts! + dur!,
      )
      expect(around.length).toBeGreaterThan(0)
    }
  })
})
