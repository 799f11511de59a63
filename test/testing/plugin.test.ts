/** The plugin as vitest sees it: a run of vitest in a folder of its own, with its reports read by line. */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseGuestTest } from '../../src/testing/directives.ts'
import { moduleText } from '../../src/testing/module-text.ts'
import { INCLUDE_DIRECTORY, includedFiles } from '../../src/testing/sources.ts'

const ROOT = join(import.meta.dirname, '../..')
const folder = mkdtempSync(join(tmpdir(), 'vtick-plugin-'))
afterAll(() => rmSync(folder, { recursive: true }))

const FILES = {
  'package.json': '{ "type": "module" }',
  'vitest.config.ts': `import { defineConfig } from 'vitest/config'
import guestTests, { guestCoverage } from '${ROOT}/src/testing/plugin.ts'
export default defineConfig({
  plugins: [guestTests({ coverage: true })],
  test: {
    include: ['*.guest.asm'],
    pool: 'threads',
    isolate: false,
    includeTaskLocation: true,
    reporters: ['default', ['json', { outputFile: 'report.json' }], guestCoverage('lcov', 'coverage.info')],
  },
})
`,
  'good.guest.asm': `;! matrix  apic_timer_virt = 0, 1
;! test    "it says \\"what\\" it is"
%include "guest.inc"
        exit    0
`.replaceAll('\\"', "'"),
  'bad.guest.asm': `; a comment
;! test    "two and two are five"

%include "guest.inc"
        mov     eax, 2
        add     eax, 2
        cmp     eax, 5
        report  "two and two are five", e
%include "lib.inc"
`,
  'wrong.guest.asm': `;! test    "t"
;! matrx   apic_timer_virt = 0, 1
`,
  'left-out.guest.asm': `;! test    "t"
;! group   nodefault
`,
  'skipped.guest.asm': `;! test    "t"
;! skip    "the moon is full"
`,
  'known.guest.asm': `;! test    "t"
;! fails   "it exits with 1"
%include "guest.inc"
        exit    1
`,
} as const

interface Report {
  readonly testResults: readonly {
    readonly name: string
    readonly assertionResults: readonly {
      readonly title: string
      readonly status: string
      readonly location?: { readonly line: number; readonly column: number }
      readonly failureMessages: readonly string[]
    }[]
  }[]
}

describe('vitest with the plugin', () => {
  let report: Report
  let printed: string

  beforeAll(() => {
    for (const [name, text] of Object.entries(FILES)) writeFileSync(join(folder, name), text)
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
    const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs')
    const options = ['run', '--no-color']
    const env = {
      ...process.env,
      NO_COLOR: '1',
      FORCE_COLOR: undefined,
      VITEST: undefined,
      VITEST_WORKER_ID: undefined,
      VITEST_POOL_ID: undefined,
    }
    const run = spawnSync(process.execPath, [vitest, ...options], { cwd: folder, encoding: 'utf8', env })
    printed = run.stdout + run.stderr
    report = JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8'))
  }, 60_000)

  const testsOf = (file: keyof typeof FILES) => report.testResults.find(({ name }) => name.endsWith(`/${file}`))!.assertionResults

  test('a cell of the matrix is a test, on the line that names the file', () => {
    expect(testsOf('good.guest.asm').map(({ title, status, location }) => ({ title, status, line: location?.line }))).toEqual([
      { title: "it says 'what' it is [apic_timer_virt=0]", status: 'passed', line: 2 },
      { title: "it says 'what' it is [apic_timer_virt=1]", status: 'passed', line: 2 },
    ])
  })

  test('a failure points to its line of the asm file, and to nothing of ours', () => {
    const [failed] = testsOf('bad.guest.asm')
    expect(failed).toMatchObject({ status: 'failed', location: { line: 2 } })
    expect(printed).toContain('❯ bad.guest.asm:8:9')
    expect(printed).toMatch(/8\| {9}report {2}"two and two are five", e\n/)
    expect(printed).not.toContain('src/testing')
    expect(failed!.failureMessages.join()).toContain('bad.guest.asm:8:9')
  })

  test('what the tests executed is reported, that of failing ones too', () => {
    const covered = readFileSync(join(folder, 'coverage.info'), 'utf8')
    expect(covered).toMatch(/^SF:bad\.guest\.asm\n[\s\S]*?DA:5,1\nDA:6,1\nDA:7,1\n/m)
    expect(covered).toMatch(/^SF:good\.guest\.asm\n[\s\S]*?DA:4,2\n/m)
  })

  test('wrong directives are one failing test at the first of them', () => {
    const tests = testsOf('wrong.guest.asm')
    expect(tests).toMatchObject([{ status: 'failed', location: { line: 2 } }])
    expect(printed).toContain('wrong.guest.asm:2:4: `matrx` is not a directive (did you mean `matrix`?)')
  })

  test('skip, nodefault and fails keep a test from failing', () => {
    expect(testsOf('skipped.guest.asm')).toMatchObject([{ status: 'skipped' }])
    expect(testsOf('left-out.guest.asm')).toMatchObject([{ status: 'skipped' }])
    expect(testsOf('known.guest.asm')).toMatchObject([{ status: 'passed', title: 't (fails: it exits with 1)' }])
  })
})

describe('the module that stands for a guest test', () => {
  const source = FILES['bad.guest.asm']
  const { plan } = parseGuestTest(source)
  const options = { path: '/p/bad.guest.asm', root: '/p', source, plan, problemLine: 1, runtime: '/r.ts', leftOut: '' }

  test('has a line for each line of the file, and as many mappings', () => {
    const { code, map } = moduleText(options)
    expect(code.split('\n')).toHaveLength(source.split('\n').length)
    expect(map.mappings.split(';')).toHaveLength(source.split('\n').length)
    expect(code.split('\n')[1]).toContain('test("two and two are five", ({ task }) => guest.run(0, task))')
  })
})

test('all files that a test includes are watched, through each other', () => {
  const files = includedFiles(join(ROOT, 'examples/deadline.guest.asm'), ROOT)
  for (const name of ['guest.inc', 'msr.inc', 'lib.inc']) expect(files).toContain(join(INCLUDE_DIRECTORY, name))
})
