/** VM entries: launch state, and what a CPU without the feature has. The rules one by one are in `entry-rules.test.ts`. */

import { describe, expect, test } from 'vitest'
import { createRig } from './rig.ts'

const NOTHING = 'nop'

test('a good VMCS enters, and VMCALL leaves with its length and RIP', () => {
  const rig = createRig(NOTHING)
  expect(rig.exit()).toBe('EXIT_REASON_VMCALL')
  expect(rig.read('VM_EXIT_INSTRUCTION_LEN')).toBe(3n)
  expect(rig.read('GUEST_RIP')).toBe(0x100001n)
})

describe('launch state', () => {
  test('VMRESUME of a VMCS that is not launched fails with 5', () => {
    expect(createRig(NOTHING).cpu.vmresume()).toEqual({ kind: 'failed', error: 5 })
  })
  test('VMLAUNCH of a launched VMCS fails with 4', () => {
    const rig = createRig(NOTHING)
    rig.exit()
    expect(rig.cpu.vmlaunch()).toEqual({ kind: 'failed', error: 4 })
  })
})

describe('a CPU without APIC-timer virtualization', () => {
  const features = ['tsc', 'msr', 'pae', 'apic', 'nx', 'lm', 'x2apic', 'tsc-deadline', 'vmx'] as const
  test('has no IA32_VMX_PROCBASED_CTLS3', () => {
    const rig = createRig(NOTHING, [], { features: [...features] })
    expect(() => rig.cpu.rdmsr(0x492)).toThrow()
  })
  test('has none of the fields: error 12', () => {
    const rig = createRig(NOTHING, [], { features: [...features] })
    for (const name of ['TERTIARY_VM_EXEC_CONTROL', 'GUEST_APIC_TIMER_VECTOR', 'GUEST_DEADLINE_VIR', 'GUEST_DEADLINE_PHY'] as const)
      expect(() => rig.read(name)).toThrow(name)
    expect(rig.read('VM_INSTRUCTION_ERROR')).toBe(12n)
  })
})
