/** `vtick test` as a process: its reports, read by parsers that are not ours, and what shards leave for merging. */

import { XMLParser } from 'fast-xml-parser'
import { Parser as TapParser } from 'tap-parser'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isFull } from '../slice.ts'
import { type Finished, type Installed, installed } from './installed.ts'

const FILES = {
  'good.guest.asm': `;! test    "two and two are four"
;! group   sums
;! golden  exits
%include "guest.inc"
        mov     eax, 2
        add     eax, 2                  ;= eax=4
        cmp     eax, 4                  ;= ZF=1
        report  "two and two are four", e
        summary
%include "lib.inc"
`,
  'deep/cpuid.guest.asm': `;! test    "CPUID exits under KVM"
;! matrix  level = L0, L1
;! expect  exits(CPUID) == 0
%include "guest.inc"
        xor     eax, eax
        cpuid
        exit    0
`,
  'known.guest.asm': `;! test    "a status of 1"
;! fails   "it is known"
%include "guest.inc"
        exit    1
`,
  'asleep.guest.asm': `;! test    "it is left out"
;! skip    "not today"
`,
  'wrong.guest.asm': `;! tset    "a typo"
`,
} as const

let place: Installed
let whole: Finished

beforeAll(async () => {
  place = await installed(FILES)
  whole = await place.vtick(
    'test',
    '--reporter',
    'kut',
    '--reporter',
    'ktap=r.ktap',
    '--reporter',
    'junit=r.xml',
    '--reporter',
    'json=r.json',
  )
}, 120_000)

afterAll(() => place.remove())

const LINES = [
  /^FAIL deep-cpuid-L1 \(deep\/cpuid\.guest\.asm:3:4: expected 0 exits CPUID, actual 1 of them, among \d+ exits in all\)$/,
  /^FAIL wrong \(wrong\.guest\.asm:1:4: `tset` is not a directive \(did you mean `test`\?\)\)$/,
  /^PASS deep-cpuid-L0$/,
  /^PASS good \(1 tests\)$/,
  /^PASS known$/,
  /^SKIP asleep \(not today\)$/,
]

describe('the reports of one run', () => {
  test('kut prints a line for each test, as run_tests.sh of kvm-unit-tests does', () => {
    const lines = whole.out.trimEnd().split('\n')
    // scripts/runtime.bash: print_result STATUS NAME SUMMARY, and extract_summary puts the guest's own summary in parentheses
    for (const line of lines) expect(line).toMatch(/^(PASS|FAIL|SKIP) \S+( \(.+\))?$/)
    const sorted = lines.sort()
    expect(sorted).toHaveLength(LINES.length)
    for (const [index, line] of LINES.entries()) expect(sorted[index]).toMatch(line)
    expect(whole.code).toBe(1)
  })

  test('KTAP is TAP to a parser of TAP, and its subtests are one to a cell', () => {
    const text = place.read('r.ktap')
    expect(text).toMatch(/^KTAP version 1\n1\.\.5\n/)
    const outer = TapParser.parse(text.replace('KTAP version 1', 'TAP version 13'), { bail: false })
    const asserts = outer.flatMap(([kind, value]) => (kind === 'assert' ? [value] : []))
    expect(asserts.map(({ ok, id, name, skip }) => ({ ok, id, name, skip: Boolean(skip) }))).toEqual([
      { ok: true, id: 1, name: 'asleep.guest.asm', skip: true },
      { ok: false, id: 2, name: 'deep/cpuid.guest.asm', skip: false },
      { ok: true, id: 3, name: 'good.guest.asm', skip: false },
      { ok: true, id: 4, name: 'known.guest.asm', skip: false },
      { ok: false, id: 5, name: 'wrong.guest.asm', skip: false },
    ])
    // Two spaces for a level, a version and a plan of its own: KTAP's subtests, which TAP has not.
    const nested = text.split('\n').filter(line => line.startsWith('  '))
    const inner = nested.map(line => line.slice(2)).join('\n')
    for (const part of inner.split('KTAP version 1\n').slice(1)) {
      const results = TapParser.parse(`TAP version 13\n${part}\n`).flatMap(([kind, value]) => (kind === 'assert' ? [value] : []))
      expect(results.length).toBe(Number(/^1\.\.(\d+)/.exec(part)?.[1]))
    }
    expect(text).toContain('  ok 1 known # XFAIL it is known\n')
    expect(text).toContain('  ok 1 asleep # SKIP not today\n')
    expect(text).toMatch(/ {2}# {3}expected {2}0 exits CPUID\n[\s\S]* {2}not ok 2 deep-cpuid-L1\nnot ok 2 deep\/cpuid\.guest\.asm\n/)
  })

  test('JUnit and JSON count the same tests', () => {
    const { testsuites } = new XMLParser({ ignoreAttributes: false, attributeNamePrefix: '' }).parse(place.read('r.xml'))
    expect(testsuites).toMatchObject({ tests: '6', failures: '2', errors: '0' })
    const failure = testsuites.testsuite.find((suite: { name: string }) => suite.name === 'deep/cpuid.guest.asm').testcase[1].failure
    expect(failure.message).toMatch(/^deep\/cpuid\.guest\.asm:3:4: {2};! expect exits\(CPUID\) == 0\n {2}expected {2}0 exits CPUID\n/)
    expect(failure['#text']).toContain('deep/cpuid.guest.asm:3:1')
    expect(JSON.parse(place.read('r.json'))).toMatchObject({ numTotalTests: 6, numFailedTests: 2, numPassedTests: 3, numPendingTests: 1 })
  })

  test('golden exits are kept beside the file', () => {
    expect(place.read('__snapshots__/good.guest.asm.snap')).toMatch(
      /exports\[`two and two are four 1`\] = `\n"L1 EPT_VIOLATION +\d+\nL1 IO_INSTRUCTION +\d+"\n`;/,
    )
  })
})

test('shards, merged, report what one run does', async () => {
  const shards = Array.from({ length: isFull ? 3 : 2 }, (_, index) => String(index + 1))
  for (const shard of shards) await place.vtick('test', '--shard', `${shard}/${shards.length}`, '--reporter', `kut=${shard}.txt`)
  const merged = await place.vtick('test', '--merge-reports', '--reporter', 'kut', '--reporter', 'junit=m.xml')
  const lines = ({ out }: Finished): string[] => out.trimEnd().split('\n')
  expect(lines(merged)).toEqual(lines(whole))
  expect(merged.code).toBe(whole.code)
  const cases = (name: string): string[] =>
    [...place.read(name).matchAll(/<testcase classname="(.*?)" name="(.*?)"/g)].map(([, file, title]) => `${file} ${title}`).sort()
  expect(cases('m.xml')).toEqual(cases('r.xml'))
  expect(shards.flatMap(shard => place.read(`${shard}.txt`).trimEnd().split('\n')).sort()).toEqual(lines(whole).sort())
}, 120_000)

test('exit codes: 0 all passed, 77 all skipped, 2 no such test', async () => {
  const [passed, skipped, absent] = await Promise.all([
    place.vtick('test', '--group', 'sums', 'good'),
    place.vtick('test', 'asleep', '--reporter', 'kut'),
    place.vtick('test', 'nowhere'),
  ])
  expect([passed.code, skipped.code, absent.code]).toEqual([0, 77, 2])
  expect(skipped.err).toBe('vtick: every test was skipped\n')
  expect(absent.err).toContain('vtick: no guest test has nowhere in its path; `vtick new NAME` writes a first one\n')
}, 120_000)
