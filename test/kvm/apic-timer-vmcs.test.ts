/**
 * The guest timer's VMCS fields for a guest hypervisor, in the three configurations of the series' test: the host trims the capability
 * MSRs before the guest runs. The same program judges the silicon by itself.
 */

import { describe, expect, test } from 'vitest'
import type { Vcpu } from '../../src/kvm/vcpu.ts'
import { recorded } from '../recorded.ts'
import { msrOf, run, setMsr, started } from './rig.ts'

const GUEST = 'asm/apic-timer-vmcs.asm'
const TRUE_PROCBASED = 0x48e
const TERTIARY = 0x492

const withoutTimer = (vcpu: Vcpu): void => {
  expect(setMsr(vcpu, TERTIARY, 0n)).toBe(true)
}
const withoutTertiary = (vcpu: Vcpu): void => {
  expect(setMsr(vcpu, TRUE_PROCBASED, msrOf(vcpu, TRUE_PROCBASED)! & ~(1n << 49n))).toBe(true)
}

describe('a guest hypervisor', () => {
  test.each<[string, number, (vcpu: Vcpu) => void]>([
    ['with the timer', 13, () => {}],
    ['with tertiary controls, without the timer', 10, withoutTimer],
    ['without tertiary controls', 9, withoutTertiary],
  ])('%s finds the fields, the checks of VM entry and what L2 writes as they must be', (_title, tests, setUp) => {
    const { console, end } = run(started(GUEST), setUp)
    expect(console).not.toContain('FAIL')
    expect(console).toContain(`SUMMARY: ${tests} tests\n`)
    expect(end).toMatchObject({ reason: 'exit-port', status: 0 })
  })

  test('sees on the bare CPU what it sees under KVM', () => {
    const nested = recorded(GUEST)
    expect(recorded(GUEST, { bare: true }).console).toBe(nested.console)
    expect(nested.console).toContain('SUMMARY: 13 tests\n')
  })

  test('sees the same under KVM without the feature, whichever parameter takes it away', () => {
    const outputs = [{ apic_timer_virt: false }, { nested_apic_timer_virt: false }].map(
      parameters => recorded(GUEST, { parameters }).console,
    )
    expect(outputs[0]).toBe(outputs[1])
    expect(outputs[0]).toContain('SUMMARY: 9 tests\n')
  })
})
