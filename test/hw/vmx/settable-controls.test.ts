/**
 * Every control that the capability MSRs let software set does what the SDM says of it ("VM-Execution Control Fields", "VM-Exit
 * Controls", "VM-Entry Controls"): a test by the control's name, and none without one.
 */

import { describe, expect, test } from 'vitest'
import { capabilityMsrs } from '../../../src/hw/vmx/capabilities.ts'
import { CPU_FEATURES } from '../../../src/spec/cpu-models.ts'
import { MSRS } from '../../../src/spec/msrs.ts'
import { allowedOneBit, CONTROL_WORDS, type ControlName, VMX_CONTROLS } from '../../../src/spec/vmx-controls.ts'
import { ENTRY_AND_EXIT_CONTROLS } from './control-tests-entry-exit.ts'
import { EVENT_CONTROLS } from './control-tests-events.ts'
import { INSTRUCTION_CONTROLS } from './control-tests-instructions.ts'
import { MEMORY_CONTROLS } from './control-tests-memory.ts'
import type { ControlTests } from './verdict.ts'

const TESTS: ControlTests = { ...INSTRUCTION_CONTROLS, ...EVENT_CONTROLS, ...MEMORY_CONTROLS, ...ENTRY_AND_EXIT_CONTROLS }

const capabilities = capabilityMsrs(new Set(CPU_FEATURES))
const isSettable = (name: ControlName): boolean => {
  const { capability, trueCapability } = CONTROL_WORDS[VMX_CONTROLS[name].word]
  const allowed = capabilities[MSRS[trueCapability ?? capability].index]!
  return ((allowed >> BigInt(allowedOneBit(name))) & 1n) === 1n
}

const names = Object.keys(VMX_CONTROLS) as ControlName[]

test('every control that may be set has a test, and no other', () => {
  expect(Object.keys(TESTS).sort()).toEqual(names.filter(isSettable).sort())
})

describe('a control that may be set works', () => {
  test.each(Object.entries(TESTS).map(([name, [sentence, run]]) => [name, sentence, run] as const))('%s: %s', (_name, _sentence, run) => {
    run()
  })
})

describe('what is not there is reported as not settable', () => {
  test.each(['VM_ENTRY_SMM', 'VM_ENTRY_DEACT_DUAL_MONITOR'] as const)('%s', name => {
    expect(isSettable(name)).toBe(false)
  })
})
