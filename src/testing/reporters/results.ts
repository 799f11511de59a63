/** What the reporters of our own tell of a test: read from vitest's tasks and from what the test said of itself. */

import type {} from 'vitest' // its TaskMeta is added to
import type { TestCase, TestModule } from 'vitest/node'
import type { FileCoverage } from '../coverage.ts'

/** What a guest test leaves with its vitest task, for reporters in another process. */
export interface GuestMeta {
  /** The file and the cell, without spaces. */
  readonly name: string
  /** What the guest's `SUMMARY:` line says; empty if it printed none. */
  readonly summary: string
  /** Why the test is expected to fail; null if it is not. */
  readonly fails: string | null
  /** What its run executed; absent where nobody asked. */
  readonly coverage?: readonly FileCoverage[]
}

declare module 'vitest' {
  interface TaskMeta {
    vtick?: GuestMeta
  }
}

export interface Result {
  readonly state: 'passed' | 'failed' | 'skipped'
  /** The name without spaces. */
  readonly name: string
  readonly summary: string
  /** Why it was skipped, or the first line of what is wrong. */
  readonly why: string
  /** What is wrong, in full. */
  readonly message: string
  readonly fails: string | null
}

const withoutSpaces = (text: string): string => text.replace(/[\s#]+/g, '-').replace(/[[\]()]/g, '')

/** `sub/deadline.guest.asm` without its folders and endings. */
const stem = (path: string): string => path.replace(/^.*\//, '').replace(/(\.guest)?\.\w+$/, '')

export function resultOf(test: TestCase): Result {
  const result = test.result()
  const meta = test.meta().vtick
  const message = (result.errors ?? []).map(error => error.message).join('\n')
  const [place = '', expected = '', actual = ''] = message.split('\n').map(line => line.trim())
  const what = expected.startsWith('expected') ? `: ${expected}, ${actual}` : ''
  return {
    state: result.state === 'passed' || result.state === 'failed' ? result.state : 'skipped',
    name: meta?.name ?? withoutSpaces(`${stem(test.module.relativeModuleId)}-${test.fullName}`),
    summary: meta?.summary ?? '',
    why: result.state === 'skipped' ? (result.note ?? '') : `${place.replace(/: {2}.*$/, '')}${what}`.replace(/\s+/g, ' '),
    message,
    fails: meta?.fails ?? null,
  }
}

/** A file's tests; a file that could not be loaded is one failed test. */
export function resultsOf(module: TestModule): readonly Result[] {
  const results = [...module.children.allTests()].map(resultOf)
  const message = module
    .errors()
    .map(error => error.message)
    .join('\n')
  if (message === '') return results
  const name = stem(module.relativeModuleId)
  return [...results, { state: 'failed', name, summary: '', why: message.split('\n')[0]!, message, fails: null }]
}

export const byPath = (modules: readonly TestModule[]): readonly TestModule[] =>
  [...modules].sort((a, b) => (a.relativeModuleId < b.relativeModuleId ? -1 : 1))
