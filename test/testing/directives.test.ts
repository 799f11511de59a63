/** Directives of guest tests: what they mean, and where a wrong one is wrong. */

import { describe, expect, test } from 'vitest'
import { parseGuestTest } from '../../src/testing/directives.ts'
import { cellsOf, type GuestTestPlan, titleOf } from '../../src/testing/plan.ts'

const NAMED = ';! test "t"'

function planOf(...lines: string[]): GuestTestPlan {
  const { plan, problems } = parseGuestTest([NAMED, ...lines].join('\n'))
  expect(problems).toEqual([])
  return plan!
}

/** `line:column message (help)` of each problem. */
const problemsOf = (source: string): string[] =>
  parseGuestTest(source).problems.map(
    ({ place, message, help }) => `${place.line}:${place.column} ${message}${help === '' ? '' : ` (${help})`}`,
  )

describe('what directives mean', () => {
  test('a matrix is all combinations, the last axis fastest, and names its cells', () => {
    const plan = planOf(';! matrix apic_timer_virt = 0, 1  level = L1', ';! matrix x2apic = 0, 1')
    expect(cellsOf(plan.matrix).map(cell => titleOf(plan, cell))).toEqual([
      't [apic_timer_virt=0 level=L1 x2apic=0]',
      't [apic_timer_virt=0 level=L1 x2apic=1]',
      't [apic_timer_virt=1 level=L1 x2apic=0]',
      't [apic_timer_virt=1 level=L1 x2apic=1]',
    ])
    expect(plan.matrix.map(({ kind }) => kind)).toEqual(['parameter', 'level', 'feature'])
  })

  test('without a matrix there is one cell, with the bare name', () => {
    const plan = planOf()
    expect(cellsOf(plan.matrix).map(cell => titleOf(plan, cell))).toEqual(['t'])
  })

  test('groups, features, skip, only and fails', () => {
    const plan = planOf(
      ';! group timer nested ; a comment',
      ';! cpu +tsc-deadline -apic-timer-virt',
      ';! skip "why; not"',
      ';! only',
      ';! fails "known"',
    )
    expect(plan).toMatchObject({ groups: ['timer', 'nested'], skip: 'why; not', only: true, fails: 'known' })
    expect(plan.features).toEqual({ 'tsc-deadline': true, 'apic-timer-virt': false })
  })

  test('numbers may be decimal, hexadecimal, grouped, and thousands', () => {
    const { expectations } = planOf(';! budget insns<=2_000 exits<=0xc cycles<=100k')
    expect(expectations).toMatchObject([
      { kind: 'budget', budget: 'insns', limit: 2000, place: { line: 2, column: 11 } },
      { kind: 'budget', budget: 'exits', limit: 12 },
      { kind: 'budget', budget: 'cycles', limit: 100_000 },
    ])
  })

  test('an MSR is a number or a name, with or without its prefix', () => {
    const spellings = ['0x6e0', 'MSR_IA32_TSC_DEADLINE', 'IA32_TSC_DEADLINE']
    const { expectations } = planOf(...spellings.map(msr => `;! expect exits(MSR_WRITE, ${msr}) >= 1`))
    for (const wanted of expectations)
      expect(wanted).toMatchObject({ kind: 'exits', exits: { reason: 'MSR_WRITE', msr: 0x6e0 }, comparison: '>=', count: 1 })
    expect(expectations).toHaveLength(3)
  })

  test('one `never` may name several exits under one condition', () => {
    const { expectations } = planOf(';! matrix enable_apicv = 0, 1', ';! never exit(HLT), exit(CPUID) when enable_apicv=1')
    expect(expectations.map(wanted => wanted.kind === 'never' && wanted.exits.reason)).toEqual(['HLT', 'CPUID'])
    for (const { when } of expectations) expect(when).toMatchObject([{ axis: 'enable_apicv', value: '1' }])
  })

  test('several expectations may stand behind a line, before and after a comment', () => {
    const { expectations } = planOf(
      ';! matrix enable_apicv = 0, 1',
      `  db ';=', ";!" ;= no-exit when enable_apicv=1 ; so ;= exit HLT when enable_apicv=0`,
    )
    expect(expectations).toMatchObject([
      { kind: 'no-exit', place: { line: 3, column: 20 } },
      { kind: 'exit', exits: { reason: 'HLT' }, place: { line: 3, column: 56 } },
    ])
  })

  test('prose that mentions directives is none', () => {
    expect(planOf('; like ;! expect, or ;= no-exit', "  mov al, ';' ; don't").expectations).toEqual([])
  })
})

describe('a wrong directive is told with its place and a way out', () => {
  test.each([
    [';! matrx level = L1', '2:4 `matrx` is not a directive (did you mean `matrix`?)'],
    [';! test "another"', '2:4 a file is one test, and it has a name already (the values that differ go into `;! matrix`)'],
    [
      ';! matrix apic_timer_vir = 0',
      '2:11 `apic_timer_vir` is not a module parameter, a CPU feature or `level` (did you mean `apic_timer_virt`?)',
    ],
    [
      ';! matrix level = L1, L2',
      '2:23 level L2 cannot be tested yet: this KVM offers no nested VMX (leave L1 alone, or leave `level` out)',
    ],
    [';! matrix level = L3', '2:19 `L3` is not a value of it (did you mean `L1`?)'],
    [';! matrix apic_timer_virt = 2', '2:29 `2` is not a value of it (legal here: 0, 1)'],
    [';! matrix level = L1 level = L1', '2:22 `level` is an axis already'],
    [';! cpu tsc-offset=0x1000', '2:8 `tsc-offset` cannot be set yet (what can be: +feature, -feature)'],
    [';! cpu x2apic', '2:8 `x2apic` needs a sign: + gives the feature, - takes it away'],
    [';! cpu +x3apic', '2:9 `x3apic` is not a feature of this CPU (did you mean `x2apic`?)'],
    [';! budget insn<=3', '2:11 `insn` is not a budget (did you mean `insns`?)'],
    [';! expect exits(MSR_WRIT) == 0', '2:17 `MSR_WRIT` is not an exit reason (did you mean `MSR_WRITE`?)'],
    [';! expect exits(HLT, 0x6e0) == 0', '2:20 an exit HLT names no MSR (those that do: MSR_READ, MSR_WRITE)'],
    [';! expect exits(MSR_WRITE, TSC_DEADLINE) == 0', '2:28 `TSC_DEADLINE` is not an MSR (did you mean `MSR_IA32_TSC_DEADLINE`?)'],
    [';! expect exits(HLT) = 0', '2:22 `=` is not a comparison (did you mean `==`?)'],
    [';! expect exits(HLT) == 0 when level=L1', '2:32 `level` is not an axis of the matrix (this test has no `;! matrix`)'],
    [
      ';! expect irq(0xEC) in deadline .. deadline+64cyc',
      '2:11 `irq` cannot be checked yet (what can be: exits(REASON) and exits(REASON, MSR))',
    ],
    [';! never irq(0xEC) twice', '2:10 `irq` cannot be checked yet (what can be: exit(REASON) and exit(REASON, MSR))'],
    [';! expect order: arm, HLT', '2:11 `order` cannot be checked yet (what can be: exits(REASON) and exits(REASON, MSR))'],
    [';! skip', '2:8 the reason in double quotes is expected here'],
    [';! only this', '2:9 nothing more is expected here, but `this` follows'],
    ['  nop ;= noexit', '2:10 `noexit` is not an expectation about a line (did you mean `no-exit`?)'],
    ['  nop ;! only', '2:10 a directive stands on a line of its own (behind an instruction: `;= no-exit` or `;= exit REASON`)'],
    ['  ;= no-exit', '2:6 this expectation stands behind the instruction that it is about'],
  ])('%s', (line, problem) => {
    expect(problemsOf(`${NAMED}\n${line}`)).toEqual([problem])
  })

  test.each(['same arch', 'golden exits'])('`%s` is refused by name until it exists', directive => {
    expect(problemsOf(`${NAMED}\n;! ${directive}`)).toEqual([expect.stringMatching(/^2:4 `\w+` cannot be checked yet/)])
  })

  test('a file without a name says how to begin', () => {
    expect(problemsOf('  nop')).toEqual(['1:1 this guest test has no name (begin it with `;! test "a sentence that it proves"`)'])
  })

  test('all of a file are found, in the order of its lines', () => {
    const source = [';! expect exits(HLT) == 0 when level=L1', ';! tset "t"', ';! only 1'].join('\n')
    expect(problemsOf(source).map(text => text.split(' ')[0])).toEqual(['1:32', '2:4', '3:9'])
  })
})
