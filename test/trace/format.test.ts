import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { TRACE_EVENTS } from '../../src/spec/trace-events.ts'
import { eventColumns, eventText, formatEvent } from '../../src/trace/format.ts'
import { arbitraryEvent, event } from './samples.ts'

const exit = event('kvm_exit', { reason: 32, rip: 0x100234n, info1: 0n, info2: 0n, intr_info: 0, error_code: 0 }, { tick: 1234, level: 1 })

describe('an event in words', () => {
  test('of a kernel tracepoint reads as in ftrace', () => {
    expect(eventText(exit)).toBe(
      'vcpu 0 reason MSR_WRITE rip 0x100234 info1 0x0000000000000000 info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000',
    )
    expect(eventText(event('kvm_entry', { rip: 0x100236n }))).toBe('vcpu 0, rip 0x100236')
    expect(eventText(event('kvm_msr', { write: 1, index: 0x6e0, value: 0x10047d20n, exception: 0 }))).toBe('msr_write 6e0 = 0x10047d20')
    expect(eventText(event('kvm_msr', { write: 0, index: 0x10, value: 0n, exception: 1 }))).toBe('msr_read 10 = 0x0 (#GP)')
    expect(eventText(event('kvm_inj_virq', { vector: 0xec, soft: 0, reinjected: 1 }))).toBe('IRQ 0xec [reinjected]')
    expect(eventText(event('kvm_eoi', { apicid: 0, vector: 236 }))).toBe('apicid 0 vector 236')
    expect(eventText(event('kvm_apic', { write: 1, register: 0x320, value: 0x400ecn }))).toBe('apic_write APIC_LVTT = 0x400ec')
    expect(eventText(event('kvm_hv_timer_state', { hv_timer: 1 }))).toBe('vcpu_id 0 hv_timer 1')
    expect(eventText(event('kvm_apic_virt_timer_state', { apic_virt_timer: 0 }))).toBe('vcpu_id 0 apic_virt_timer 0')
    expect(eventText(event('kvm_write_tsc_offset', { previous: 1n, next: 2n }))).toBe('vcpu=0 prev=1 next=2')
    expect(eventText(event('kvm_apicv_inhibit_changed', { reason: 3, set: 1, inhibits: 8n }))).toBe('set reason=3, inhibits=0x8')
    expect(eventText(event('kvm_inj_exception', { vector: 13, error_code: 0, reinjected: 0 }))).toBe('#GP (0x0)')
  })

  test('says that an entry failed', () => {
    expect(eventText({ ...exit, reason: 0x80000021 } as typeof exit)).toContain('reason INVALID_STATE FAILED_VMENTRY rip')
  })

  test('is one line with index, tick, CPU and level', () => {
    expect(formatEvent(event('hrtimer_cancel', {}, { tick: 7, level: 0 }), 3)).toBe('#3 7 cpu0 L0 hrtimer_cancel')
    expect(formatEvent(event('kvm_entry', { rip: 1n }, { tick: 7, cpu: 2, level: 2 }))).toBe('7 cpu2 L2 kvm_entry: vcpu 2, rip 0x1')
    expect(formatEvent(event('input', { device: 'console', bytes: new TextEncoder().encode('hi\n') }))).toBe(
      '0 cpu0 L1 input: console "hi\\n"',
    )
  })

  test('has a short form for the explorer', () => {
    expect(eventColumns(exit)).toEqual({ level: 'L1', word: 'exit', detail: 'MSR_WRITE 0x10_0234' })
    expect(eventColumns(event('kvm_msr', { write: 1, index: 0x6e0, value: 0x10047d20n, exception: 0 })).detail).toBe(
      'w 6e0 (IA32_TSC_DEADLINE) = 0x1004_7d20',
    )
  })

  test('exists for every kind and never spreads over lines', () => {
    fc.assert(
      fc.property(arbitraryEvent, e => {
        const text = formatEvent(e, 1) + Object.values(eventColumns(e)).join(' ')
        expect(text).not.toContain('undefined')
        if (!Object.values(TRACE_EVENTS[e.kind].fields).some(type => type === 'text')) expect(text).not.toContain('\n')
      }),
      { seed: 5, numRuns: 500 },
    )
  })
})
