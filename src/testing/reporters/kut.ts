/**
 * The lines that run_tests.sh of kvm-unit-tests prints, one for each test:
 *
 *     PASS deadline-apic_timer_virt1 (3 tests)
 *     FAIL echo (2 tests, 1 unexpected failures)
 *     SKIP l2 (its group is nodefault)
 */

import type { Reporter, TestModule } from 'vitest/node'
import { byPath, type Result, resultsOf } from './results.ts'

const STATES = { passed: 'PASS', failed: 'FAIL', skipped: 'SKIP' } as const

export function kutLine({ state, name, summary, why }: Result): string {
  // A guest whose own checks failed says so in its summary; one that fails an expectation does not.
  const said = state === 'skipped' ? why : state === 'failed' && !/unexpected failures/.test(summary) ? `${summary}; ${why}` : summary
  const text = said.replace(/^; /, '')
  return `${STATES[state]} ${name}${text === '' ? '' : ` (${text})`}`
}

export const kutReporter = (write: (text: string) => void): Reporter => ({
  onTestRunEnd(modules: readonly TestModule[]) {
    const lines = byPath(modules).flatMap(resultsOf).map(kutLine)
    write(`${lines.join('\n')}\n`)
  },
})
