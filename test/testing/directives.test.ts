/** Directives of guest tests: what they mean, and where a wrong one is wrong. */

import { describe, expect, test } from 'vitest'
import { DEFECT_NAMES } from '../../src/kvm/defects.ts'
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

  test('defects of KVM, for the whole test or as an axis', () => {
    const plan = planOf(';! defect stale-vector rounded-down', ';! matrix missing-wakeup = 0, 1')
    expect(plan.defects).toEqual(['stale-vector', 'rounded-down'])
    expect(plan.matrix).toEqual([{ kind: 'defect', name: 'missing-wakeup', values: ['0', '1'] }])
  })

  test('every defect of KVM is known here', () => {
    expect(planOf(`;! defect ${DEFECT_NAMES.join(' ')}`).defects).toEqual(DEFECT_NAMES)
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
    expect(expectations.map(wanted => wanted.kind === 'never' && wanted.event.kind === 'exit' && wanted.event.exits.reason)).toEqual([
      'HLT',
      'CPUID',
    ])
    for (const { when } of expectations) expect(when).toMatchObject([{ axis: 'enable_apicv', value: '1' }])
  })

  test('what happens is an exit, an interrupt, or what the guest does to its timer', () => {
    const { expectations } = planOf(';! expect order: arm, HLT, irq(0xEC), eoi, exit(MSR_WRITE, 0x80b)', ';! never irq(0xEC) twice, eoi')
    const exit = (exits: object) => ({ kind: 'exit', exits })
    expect(expectations).toMatchObject([
      {
        kind: 'order',
        events: [
          { kind: 'arm' },
          exit({ reason: 'HLT' }),
          { kind: 'irq', vector: 0xec },
          { kind: 'eoi' },
          exit({ reason: 'MSR_WRITE', msr: 0x80b }),
        ],
      },
      { kind: 'never', event: { kind: 'irq', vector: 0xec }, isTwice: true },
      { kind: 'never', event: { kind: 'eoi' }, isTwice: false },
    ])
  })

  test('a moment is a write of the deadline or the deadline, and a time from it', () => {
    const { expectations } = planOf(';! expect irq(236) in deadline-1us .. arm+1_000cyc')
    expect(expectations).toMatchObject([
      { vector: 0xec, from: { from: 'deadline', offset: -1, unit: 'us' }, to: { from: 'arm', offset: 1000, unit: 'cyc' } },
    ])
  })

  test('values of registers are cut to their width, and a minus is one of them', () => {
    const { expectations } = planOf('  nop ;= rax=-1 cl=-1 r9d=0x8000_0000 ah=255 ZF=1 IOPL=3')
    expect(expectations.map(wanted => wanted.kind === 'value' && [wanted.wanted.name, wanted.wanted.value])).toEqual([
      ['rax', 0xffff_ffff_ffff_ffffn],
      ['cl', 0xffn],
      ['r9d', 0x8000_0000n],
      ['ah', 0xffn],
      ['ZF', 1n],
      ['IOPL', 3n],
    ])
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
      '2:11 `apic_timer_vir` is not a module parameter, a CPU feature, a defect or `level` (did you mean `apic_timer_virt`?)',
    ],
    [';! matrix level = L3', '2:19 `L3` is not a value of it (did you mean `L1`?)'],
    [';! matrix apic_timer_virt = 2', '2:29 `2` is not a value of it (legal here: 0, 1)'],
    [';! matrix level = L1 level = L1', '2:22 `level` is an axis already'],
    [';! cpu tsc-offset=0x1000', '2:8 `tsc-offset` cannot be set yet (what can be: +feature, -feature)'],
    [';! cpu x2apic', '2:8 `x2apic` needs a sign: + gives the feature, - takes it away'],
    [';! cpu +x3apic', '2:9 `x3apic` is not a feature of this CPU (did you mean `x2apic`?)'],
    [';! defect stale-vectr', '2:11 `stale-vectr` is not a defect of `vtick explain defects` (did you mean `stale-vector`?)'],
    [';! budget insn<=3', '2:11 `insn` is not a budget (did you mean `insns`?)'],
    [';! expect exits(MSR_WRIT) == 0', '2:17 `MSR_WRIT` is not an exit reason (did you mean `MSR_WRITE`?)'],
    [';! expect exits(HLT, 0x6e0) == 0', '2:20 an exit HLT names no MSR (those that do: MSR_READ, MSR_WRITE)'],
    [';! expect exits(MSR_WRITE, TSC_DEADLINE) == 0', '2:28 `TSC_DEADLINE` is not an MSR (did you mean `MSR_IA32_TSC_DEADLINE`?)'],
    [';! expect exits(HLT) = 0', '2:22 `=` is not a comparison (did you mean `==`?)'],
    [';! expect exits(HLT) == 0 when level=L1', '2:32 `level` is not an axis of the matrix (this test has no `;! matrix`)'],
    [';! expect irqs(0xEC) == 1', '2:11 `irqs` is not something to expect (did you mean `irq`?)'],
    [';! expect irq(0x1ec) == 1', '2:15 492 is not a vector (vectors are 0 to 255)'],
    [';! expect irq(0xEC) in dedline .. deadline', '2:24 `dedline` is not a moment (did you mean `deadline`?)'],
    [';! expect irq(0xEC) in deadline .. deadline+64', '2:45 `64` has no unit of time (write 64cyc, 64ns, 64us, 64ms)'],
    [';! expect irq(0xEC) within 3', '2:21 `in A .. B` or a comparison is expected here (as in `irq(0xec) in deadline .. deadline+64cyc`)'],
    [';! expect order: arm, HTL', '2:23 `HTL` is not an event or an exit reason (did you mean `HLT`?)'],
    [';! never irqs(0xEC) twice', '2:10 `irqs` is not an event or an exit reason (did you mean `irq`?)'],
    [';! same arhc as level=L0', '2:9 `arhc` is not what must be the same (did you mean `arch`?)'],
    [';! same arch', '2:13 `as` and a cell of the matrix are expected here (as in `same arch as apic_timer_virt=0`)'],
    [';! same arch as level=L0', '2:17 `level` is not an axis of the matrix (this test has no `;! matrix`)'],
    [';! golden exit', '2:11 `exit` is not what can be kept (did you mean `exits`?)'],
    [';! prints hello', '2:11 a line in double quotes is expected here, not `hello`'],
    [';! skip', '2:8 the reason in double quotes is expected here'],
    [';! only this', '2:9 nothing more is expected here, but `this` follows'],
    ['  nop ;= noexit', '2:10 `noexit` is not an expectation about a line (did you mean `no-exit`?)'],
    ['  nop ;= rxa=1', '2:10 `rxa` is not an expectation about a line (did you mean `rax`?)'],
    ['  nop ;= ZF=2', '2:13 2 is not a value of ZF'],
    ['  nop ;= al=0x100', '2:13 al has 8 bits, and this number needs more'],
    ['  hlt ;= wakes 0xec', '2:16 what can wake it is expected here, not `0xec`'],
    ['  nop ;! only', '2:10 a directive stands on a line of its own (behind an instruction: `;= no-exit` or `;= exit REASON`)'],
    ['  ;= no-exit', '2:6 this expectation stands behind the instruction that it is about'],
  ])('%s', (line, problem) => {
    expect(problemsOf(`${NAMED}\n${line}`)).toEqual([problem])
  })

  test('a file without a name says how to begin', () => {
    expect(problemsOf('  nop')).toEqual(['1:1 this guest test has no name (begin it with `;! test "a sentence that it proves"`)'])
  })

  test('all of a file are found, in the order of its lines', () => {
    const source = [';! expect exits(HLT) == 0 when level=L1', ';! tset "t"', ';! only 1'].join('\n')
    expect(problemsOf(source).map(text => text.split(' ')[0])).toEqual(['1:32', '2:4', '3:9'])
  })
})
