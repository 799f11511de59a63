/** The control words against the numbers of APIC-timer virtualization and against the other tables. */

import { expect, test } from 'vitest'
import { MSRS } from '../../src/spec/msrs.ts'
import { VMCS_FIELDS } from '../../src/spec/vmcs-fields.ts'
import { allowedOneBit, CONTROL_WORDS, type ControlName, VMX_CONTROLS } from '../../src/spec/vmx-controls.ts'

test('no two controls share a bit', () => {
  const places = Object.values(VMX_CONTROLS).map(row => `${row.word}:${row.bit}`)
  expect(new Set(places).size).toBe(places.length)
})

test('the tertiary controls are activated by primary bit 17, which bit 49 of the capability MSR allows', () => {
  expect(VMX_CONTROLS.CPU_BASED_ACTIVATE_TERTIARY_CONTROLS).toMatchObject({ word: 'primary', bit: 17 })
  expect(allowedOneBit('CPU_BASED_ACTIVATE_TERTIARY_CONTROLS')).toBe(49)
})

test('APIC-timer virtualization is tertiary bit 8, which bit 8 of the capability MSR allows', () => {
  expect(VMX_CONTROLS.TERTIARY_EXEC_GUEST_APIC_TIMER).toMatchObject({ word: 'tertiary', bit: 8 })
  expect(allowedOneBit('TERTIARY_EXEC_GUEST_APIC_TIMER')).toBe(8)
})

test.each([
  ['PIN_BASED_EXT_INTR_MASK', 'pin', 0],
  ['PIN_BASED_VMX_PREEMPTION_TIMER', 'pin', 6],
  ['PIN_BASED_POSTED_INTR', 'pin', 7],
  ['CPU_BASED_INTR_WINDOW_EXITING', 'primary', 2],
  ['CPU_BASED_USE_TSC_OFFSETTING', 'primary', 3],
  ['CPU_BASED_HLT_EXITING', 'primary', 7],
  ['CPU_BASED_RDTSC_EXITING', 'primary', 12],
  ['CPU_BASED_TPR_SHADOW', 'primary', 21],
  ['CPU_BASED_USE_MSR_BITMAPS', 'primary', 28],
  ['CPU_BASED_ACTIVATE_SECONDARY_CONTROLS', 'primary', 31],
  ['SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE', 'secondary', 4],
  ['SECONDARY_EXEC_APIC_REGISTER_VIRT', 'secondary', 8],
  ['SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY', 'secondary', 9],
  ['SECONDARY_EXEC_TSC_SCALING', 'secondary', 25],
  ['VM_EXIT_ACK_INTR_ON_EXIT', 'exit', 15],
] as const satisfies readonly (readonly [ControlName, string, number])[])('%s is bit %s %i', (name, word, bit) => {
  expect(VMX_CONTROLS[name]).toMatchObject({ word, bit })
})

test('each word has its field and its capability MSRs', () => {
  for (const { field, capability, trueCapability } of Object.values(CONTROL_WORDS)) {
    expect(VMCS_FIELDS).toHaveProperty(field)
    expect(MSRS).toHaveProperty(capability)
    if (trueCapability !== null) expect(MSRS).toHaveProperty(trueCapability)
  }
})

test('only the tertiary word has 64 bits', () => {
  for (const { word, bit } of Object.values(VMX_CONTROLS)) expect(bit).toBeLessThan(word === 'tertiary' ? 64 : 32)
})
