/** `vtick test --coverage`: small guests whose counts follow from their text, in all four forms. */

import { createRequire } from 'node:module'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseCoverage } from '../../src/cli/values.ts'
import { type GuestTask, openGuestTest } from '../../src/testing/guest-test.ts'
import { type Finished, type Installed, installed } from './installed.ts'

const FILES = {
  'branch.guest.asm': `;! test   "counted"
;! matrix level = L1, L2
%include "guest.inc"
%include "half.inc"
        mov     ecx, 3
again:  dec     ecx
        jnz     again
        test    ecx, ecx
        jnz     never
        xor     eax, eax
        cpuid
        call    used
        half
        exit    0
never:  exit    3
table:  dq      never
        times 2 nop
%include "tail.inc"
`,
  'half.inc': `%macro half 0
        cmp     ecx, ecx
        jne     %%skip
        nop
%%skip:
%endmacro
`,
  'tail.inc': `used:   ret
unused: ret
`,
  'fault.guest.asm': `;! test "a fault is an execution"
;! matrix level = L0, L1, L2
%include "guest.inc"
        set_gate 3, on_bp
        set_gate 6, on_ud
        set_gate 13, on_gp
        load_idt
        int3
        mov     ecx, 0x12345678 ; no MSR
        wrmsr
        exit    1
on_gp:  ud2
        exit    2
on_bp:  iretq
on_ud:  exit    0
%include "lib.inc"
`,
} as const

/** Two cells run each line twice as often as one does; ECX counts 3, 2, 1, so JNZ is taken twice and falls through once. */
const CELLS = 2
const EXPECTED: readonly (readonly [line: number, hits: number, ...ways: number[]])[] = [
  [5, 1],
  [6, 3],
  [7, 3, 2, 1],
  [8, 1],
  [9, 1, 0, 1],
  [10, 1],
  [11, 1],
  [12, 1],
  [13, 1, 0, 1],
  [14, 1],
  [15, 0],
  [17, 0],
]

interface LcovRecord {
  readonly file: string
  readonly lines: { readonly found: number; readonly hit: number; readonly details: readonly { line: number; hit: number }[] }
  readonly branches: {
    readonly found: number
    readonly hit: number
    readonly details: readonly { line: number; block: number; branch: number; taken: number }[]
  }
}

const lcov: { source: (text: string, done: (error: string | null, data: readonly LcovRecord[]) => void) => void } = createRequire(
  import.meta.url,
)('lcov-parse')

let place: Installed
let finished: Finished

beforeAll(async () => {
  place = await installed(FILES)
  const forms = ['text=c.txt', 'json=c.json', 'lcov=c.info', 'listing'].flatMap(form => ['--coverage', form])
  finished = await place.vtick('test', ...forms, '--reporter', 'kut=r.txt')
}, 120_000)

afterAll(() => place.remove())

describe('asm coverage of a run', () => {
  test('lcov has each line with code and each way of each branch, added up over the cells', () => {
    let records: readonly LcovRecord[] = []
    lcov.source(place.read('c.info'), (error, data) => {
      expect(error).toBeNull()
      records = data
    })
    expect(finished.code).toBe(0)
    expect(records.map(({ file }) => file)).toEqual(['branch.guest.asm', 'fault.guest.asm', 'tail.inc'])
    const [{ lines, branches }] = records as [LcovRecord]
    expect(lines.details).toEqual(EXPECTED.map(([line, hits]) => ({ line, hit: hits * CELLS })))
    expect([lines.found, lines.hit]).toEqual([12, 10])
    expect(branches.details).toEqual(
      EXPECTED.flatMap(([line, , ...ways]) => ways.map((count, branch) => ({ line, block: 0, branch, taken: count * CELLS }))),
    )
    expect([branches.found, branches.hit]).toEqual([6, 4])
    expect(records[2]!.lines.details).toEqual([
      { line: 1, hit: CELLS },
      { line: 2, hit: 0 },
    ])
  })

  test('an instruction that only faults was executed once in each cell, and the one behind it was not', () => {
    const [, text] = /SF:fault\.guest\.asm\n([\s\S]*?)end_of_record/.exec(place.read('c.info')) as RegExpExecArray
    const hits = [...text!.matchAll(/^DA:(\d+),(\d+)$/gm)].map(([, line, count]) => [Number(line), Number(count)])
    const isMissed = (line: number): boolean => [11, 13].includes(line)
    // INT3 (line 8), the WRMSR of an MSR that does not exist (10) and UD2 (12) all lead to their handlers once, at every level.
    expect(hits).toEqual([4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15].map(line => [line, isMissed(line) ? 0 : 3]))
  })

  test('JSON has the instructions of a line, those of a macro among them, and the exits by reason', () => {
    const { files } = JSON.parse(place.read('c.json'))
    const lineOf = (number: number): unknown => files[0].lines.find(({ line }: { line: number }) => line === number)
    expect(lineOf(13)).toEqual({ line: 13, hits: 2, instructions: [2, 2, 2], branches: [{ taken: 0, notTaken: 2 }], exits: {} })
    expect(lineOf(17)).toMatchObject({ hits: 0, instructions: [0, 0] })
    // CPUID exits always (SDM, "Instructions That Cause VM Exits Unconditionally"): once in each cell.
    expect(lineOf(11)).toMatchObject({ exits: { CPUID: CELLS } })
  })

  test('the text says what was missed', () => {
    const text = place.read('c.txt')
    expect(text).toMatch(/^ +10\/12 +83\.3% +4\/6 +66\.7% +\d+ {2}branch\.guest\.asm$/m)
    expect(text).toContain('    not executed: 15-17\n    one way only: 9 never taken, 13 never taken\n    exits: ')
    expect(text).toMatch(/^ {4}exits: .*\b11 CPUID 2;/m)
    expect(text).not.toContain('lib.inc')
  })

  test('the listing has the counts in front of the source, on stdout', () => {
    const lines = finished.out.split('\n')
    for (const line of [
      '       6        4/2     7          jnz     again',
      '       2        0/2     9          jnz     never',
      '       2               11          cpuid    <- CPUID 2',
      '   #####               15  never:  exit    3',
      '                       16  table:  dq      never',
    ])
      expect(lines).toContain(line)
  })
})

test('a run that nobody wants covered tells nothing of it', () => {
  const task: GuestTask = { meta: {} }
  const errorAt = () => Error
  openGuestTest({ path: join(place.path, 'fault.guest.asm'), root: place.path, errorAt, golden: () => undefined }).run(0, task)
  expect(task.meta.vtick).toBeDefined()
  expect(task.meta.vtick).not.toHaveProperty('coverage')
})

test('a form that does not exist is refused with the nearest one', () => {
  expect(() => parseCoverage('lconv')).toThrow(/--coverage lconv: there is no form `lconv`/)
  expect(parseCoverage('lcov=a.info', [{ name: 'text', file: null }])).toEqual([
    { name: 'text', file: null },
    { name: 'lcov', file: 'a.info' },
  ])
})
