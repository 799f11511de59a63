/** What a failing guest test says: one approved text for each kind of failure, and the line that its error points to. */

import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { openGuestTest } from '../../src/testing/guest-test.ts'
import { openTrace } from '../../src/trace/file.ts'

const folder = mkdtempSync(join(tmpdir(), 'vtick-failures-'))
afterAll(() => rmSync(folder, { recursive: true }))

function write(name: string, ...lines: string[]): string {
  const path = join(folder, name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, `${lines.join('\n')}\n`)
  return path
}

/** The message of a failing cell, and the line that the error points to; null if it passes. */
function failureOf(lines: readonly string[], cell = 0): { readonly line: number; readonly text: string } | null {
  let pointedTo = 0
  const errorAt = (line: number) => (message: string) => {
    pointedTo = line
    return new Error(message)
  }
  try {
    openGuestTest({ path: write('some.guest.asm', ...lines), root: folder, errorAt, golden: () => {} }).run(cell)
    return null
  } catch (error) {
    return { line: pointedTo, text: (error as Error).message }
  }
}

const HEAD = ';! test "t"'
const MATRIX = ';! matrix apic_timer_virt = 0, 1'
/** Arms the timer with a deadline that never comes. */
const ARM = [
  '%include "guest.inc"',
  '        x2apic_enable',
  '        write_msr MSR_IA32_X2APIC_LVT_TIMER, APIC_LVT_TIMER_TSCDEADLINE | 0xec',
  '        mov     edx, 1 << 30',
  '        mov     ecx, MSR_IA32_TSC_DEADLINE',
]
const END = ['        exit    0']

test('a guest that reports a failure points to its report', () => {
  const source = [HEAD, '%include "guest.inc"', 'start:  cmp     rsp, 0', '        report  "the stack is empty", e', '%include "lib.inc"']
  expect(failureOf(source)).toEqual({ line: 4, text: expect.stringMatching(/^some.guest.asm:4:9: {2}report "the stack is empty", e\n/) })
  expect(failureOf(source)!.text).toContain('\n  expected  PASS: the stack is empty\n  actual    FAIL: the stack is empty\n')
  expect(failureOf(source)!.text).toMatch(/\n {2}open {6}vtick explore .vtick\/some.vtrace --at '#\d+'$/)
})

test('an exit that an expectation forbids is shown with its reason, its surroundings and a cell to compare with', () => {
  const failure = failureOf([HEAD, MATRIX, ...ARM, '        wrmsr   ;= no-exit', ...END])!
  expect(failure.line).toBe(8)
  expect(failure.text.replace(/0x[\da-f_]+/g, '0x..')).toBe(
    [
      'some.guest.asm:8:20:  wrmsr ;= no-exit',
      '  expected  no VM exit at this instruction',
      '  actual    exit MSR_WRITE 6e0 (IA32_TSC_DEADLINE) at #28, L1',
      '  because   KVM carries the deadline itself: kvm_apic_virt_timer_state never said 1',
      '    #26 L1 apic apic_write APIC_LVTT = 0x..',
      '    #27 L1 entry 0x..',
      '  > #28 L1 exit MSR_WRITE 0x..',
      '    #29 L1 msr w 6e0 (IA32_TSC_DEADLINE) = 0x..',
      '    #30 L0 hrtimer start, expires 4611687117939276060',
      "  open      vtick explore .vtick/some-apic_timer_virt0.vtrace --at '#28'",
      '  passes in apic_timer_virt=1; compare: vtick diff .vtick/some-apic_timer_virt1.vtrace .vtick/some-apic_timer_virt0.vtrace',
    ].join('\n'),
  )
  for (const value of [0, 1]) expect(openTrace(join(folder, `.vtick/some-apic_timer_virt${value}.vtrace`)).end?.status).toBe(0)
})

test('an exit that is missing is told with what carries the deadline instead', () => {
  const failure = failureOf([HEAD, MATRIX, ...ARM, '        wrmsr   ;= exit(MSR_WRITE, 0x6e0)', ...END], 1)!
  expect(failure.line).toBe(8)
  expect(failure.text).toContain('  expected  exit MSR_WRITE 6e0 (IA32_TSC_DEADLINE) at this instruction\n  actual    no VM exit at it\n')
  expect(failure.text).toMatch(/ {2}because {3}APIC-timer virtualization carries the deadline: kvm_apic_virt_timer_state said 1 at #\d+\n/)
})

const CPUIDS = ['%include "guest.inc"', '        cpuid', '        cpuid', '        nop', ...END]

test.each([
  [';! expect exits(CPUID) == 1', ['1 exits CPUID', /^2 of them, among \d+ exits in all$/]],
  [';! expect exits(CPUID) >= 3', ['at least 3 exits CPUID', /^2 of them, among \d+ exits in all$/]],
  [';! expect exits(CPUID) <= 0', ['at most 0 exits CPUID', /^2 of them, among \d+ exits in all$/]],
  [';! never exit(CPUID)', ['no exit CPUID', /^exit CPUID at #\d+, L1, and 1 more$/]],
  [';! budget insns<=1', ['at most 1 instructions retired', /^more: the guest was stopped$/]],
  [';! budget exits<=2', ['at most 2 VM exits', /^\d+ VM exits$/]],
  [';! budget cycles<=10', ['at most 10 cycles', /^\d+.* cycles$/]],
] as const)('%s', (directive, [expected, actual]) => {
  const failure = failureOf([HEAD, directive, ...CPUIDS])!
  expect(failure.line).toBe(2)
  const [place, first, second] = failure.text.split('\n')
  expect(place).toMatch(/^some.guest.asm:2:\d+: {2};! /)
  expect(first).toBe(`  expected  ${expected}`)
  expect(second!.slice('  actual    '.length)).toMatch(actual)
})

test.each([
  ['a triple fault', ['        xor     eax, eax', '        mov     cr3, rax', '        nop'], 'a triple fault', 5],
  ['a HLT for ever', ['        cli', '        hlt'], 'HLT, and nothing is left that could wake the guest', 4],
  ['a status without a reason', ['        exit    3'], 'it writes 3, and no FAIL line says why', 1],
] as const)('a guest that ends with %s', (_, code, actual, line) => {
  const failure = failureOf([HEAD, '%include "guest.inc"', ...code])
  expect(failure).toMatchObject({ line, text: expect.stringContaining(`\n  actual    ${actual}`) })
})

test('a source that does not assemble gives the diagnostics', () => {
  const failure = failureOf([HEAD, '%include "guest.inc"', '        mov     eax, rbx'])
  expect(failure).toMatchObject({ line: 3, text: expect.stringMatching(/^some.guest.asm:3:17: error\[E\d+\]: operand sizes differ\n/) })
})

test('wrong directives are listed, and the error points to the first', () => {
  const failure = failureOf([HEAD, ';! tset', '        nop     ;= exits HLT'])
  expect(failure!.line).toBe(2)
  expect(failure!.text).toBe(
    [
      'some.guest.asm:2:4: `tset` is not a directive (did you mean `test`?)',
      '    ;! tset',
      'some.guest.asm:3:20: `exits` is not an expectation about a line (did you mean `exit`?)',
      '    nop ;= exits HLT',
    ].join('\n'),
  )
})

test('expectations whose condition does not hold in a cell are not asked', () => {
  const source = [HEAD, MATRIX, ';! expect exits(CPUID) == 9 when apic_timer_virt=1', ...CPUIDS]
  expect(failureOf(source, 0)).toBeNull()
  expect(failureOf(source, 1)!.line).toBe(3)
})

test('a file beside the test is included, and one in the root, and our own', () => {
  write('sub/beside.inc', '%include "deep/inner.inc"')
  write('sub/deep/inner.inc', 'VALUE equ 2')
  write('shared.inc', '%define TWICE(x) (2 * (x))')
  const path = write(
    'sub/uses.guest.asm',
    HEAD,
    '%include "guest.inc"',
    '%include "beside.inc"',
    '%include "shared.inc"',
    '        exit    TWICE(VALUE) - 4',
  )
  openGuestTest({ path, root: folder, errorAt: () => undefined, golden: () => {} }).run(0)
  expect(existsSync(join(folder, '.vtick/sub-uses.vtrace'))).toBe(false)
})
