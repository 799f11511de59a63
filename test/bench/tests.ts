/** How long `vtick test` takes for 300 small guest tests, as a process: `npm run bench:test`. */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const TESTS = 300

const source = (n: number): string => `;! test    "${n} and ${n} are ${2 * n}"
;! expect  exits(CPUID) == 1
%include "guest.inc"
        mov     eax, ${n}
        add     eax, ${n}
        cmp     eax, ${2 * n}
        report  "${n} and ${n} are ${2 * n}", e
        cpuid                           ;= exit CPUID
        summary
%include "lib.inc"
`

const folder = mkdtempSync(join(tmpdir(), 'vtick-bench-'))
try {
  for (let n = 0; n < TESTS; n++) writeFileSync(join(folder, `sum${n}.guest.asm`), source(n))
  const executable = join(import.meta.dirname, '../../dist/cli/main.js')
  const start = performance.now()
  const { status, stdout } = spawnSync(process.execPath, [executable, 'test', '--reporter', 'kut'], { cwd: folder, encoding: 'utf8' })
  const seconds = (performance.now() - start) / 1000
  const passed = stdout.split('\n').filter(line => line.startsWith('PASS ')).length
  console.log(`${passed} of ${TESTS} guest tests passed in ${seconds.toFixed(1)} s (exit code ${status})`)
} finally {
  rmSync(folder, { recursive: true })
}
