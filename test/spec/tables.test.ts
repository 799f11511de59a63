/** The smaller tables: numbers are unique, lookups lead back, and tables that speak of one thing agree. */

import { describe, expect, test } from 'vitest'
import { APIC_BITS, APIC_REGISTERS, apicOffsetOf, timerDivideShift, x2apicMsrOf } from '../../src/spec/apic-registers.ts'
import { CPUID_FEATURES, cpuidFeature, isCpuidFeatureName } from '../../src/spec/cpuid.ts'
import { EXCEPTIONS, exceptionOf } from '../../src/spec/exceptions.ts'
import { EXIT_REASON_FAILED_VMENTRY, EXIT_REASONS, exitReasonName, exitReasonOf } from '../../src/spec/exit-reasons.ts'
import { MSRS, msrName } from '../../src/spec/msrs.ts'
import { GPR_NAMES } from '../../src/spec/registers.ts'
import { instructionErrorName, VMX_INSTRUCTION_ERRORS } from '../../src/spec/vmx-instruction-errors.ts'
import { X2APIC_MSRS } from '../../src/spec/x2apic-msrs.ts'

const isUnique = (values: readonly unknown[]): boolean => new Set(values).size === values.length

describe('exit reasons', () => {
  test('are unique and lead back to their names', () => {
    expect(isUnique(Object.values(EXIT_REASONS))).toBe(true)
    for (const [name, reason] of Object.entries(EXIT_REASONS)) expect(exitReasonOf(reason)).toBe(name)
  })

  test.each([
    [1, 'EXTERNAL_INTERRUPT'],
    [12, 'HLT'],
    [32, 'MSR_WRITE'],
    [45, 'EOI_INDUCED'],
    [52, 'PREEMPTION_TIMER'],
    [56, 'APIC_WRITE'],
    [38, '38'],
    [EXIT_REASON_FAILED_VMENTRY + 33, 'INVALID_STATE'],
  ])('%i prints as %s', (reason, name) => {
    expect(exitReasonName(reason)).toBe(name)
  })
})

test('VM-instruction errors lead back to their names', () => {
  for (const [name, row] of Object.entries(VMX_INSTRUCTION_ERRORS)) expect(instructionErrorName(row.number)).toBe(name)
  expect(instructionErrorName(7)).toBe('VMXERR_ENTRY_INVALID_CONTROL_FIELD')
  expect(instructionErrorName(14)).toBeUndefined()
})

describe('MSRs', () => {
  test('have one name each', () => {
    expect(isUnique(Object.values(MSRS).map(row => row.index))).toBe(true)
    for (const [name, row] of Object.entries(MSRS)) expect(msrName(row.index)).toBe(name)
    expect(msrName(0x6e0)).toBe('MSR_IA32_TSC_DEADLINE')
    expect(msrName(0x12345)).toBeUndefined()
  })

  test('of x2APIC mode are the APIC registers that have one', () => {
    const fromRegisters = Object.values(APIC_REGISTERS)
      .filter(row => row.x2apic !== 'none')
      .flatMap(row => Array.from({ length: 'count' in row ? row.count : 1 }, (_, i) => x2apicMsrOf(row.offset + 16 * i)))
    expect(Object.values(X2APIC_MSRS).map(row => row.index)).toEqual(fromRegisters)
    for (const msr of fromRegisters) expect(x2apicMsrOf(apicOffsetOf(msr))).toBe(msr)
  })
})

test('the divide configuration divides by the number in its name', () => {
  for (const divisor of [1, 2, 4, 8, 16, 32, 64, 128] as const) {
    expect(1 << timerDivideShift(APIC_BITS[`APIC_TDR_DIV_${divisor}`])).toBe(divisor)
  }
})

test('exceptions lead back to their names', () => {
  for (const [name, row] of Object.entries(EXCEPTIONS)) expect(exceptionOf(row.vector)).toBe(name)
  expect(exceptionOf(15)).toBeUndefined()
})

test('exceptions with an error code are #DF, #TS, #NP, #SS, #GP, #PF, #AC and #CP', () => {
  const pushing = Object.entries(EXCEPTIONS).filter(([, row]) => row.errorCode)
  expect(pushing.map(([name]) => name)).toEqual(['DF', 'TS', 'NP', 'SS', 'GP', 'PF', 'AC', 'CP'])
})

test('a CPUID feature has one name and one place', () => {
  expect(isUnique(CPUID_FEATURES.map(row => row.name))).toBe(true)
  expect(isUnique(CPUID_FEATURES.map(row => `${row.leaf}.${row.subleaf}.${row.register}.${row.bit}`))).toBe(true)
  expect(cpuidFeature('tsc-deadline')).toEqual({ leaf: 1, subleaf: 0, register: 'ecx', bit: 24, name: 'tsc-deadline' })
  expect(cpuidFeature('serialize')).toMatchObject({ leaf: 7, register: 'edx', bit: 14 })
  expect(isCpuidFeatureName('tsc-dedline')).toBe(false)
})

test('each size has sixteen general registers', () => {
  for (const names of Object.values(GPR_NAMES)) expect(isUnique(names) && names.length).toBe(16)
})
