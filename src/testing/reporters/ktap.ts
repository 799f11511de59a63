/**
 * KTAP version 1, as the kernel's documentation has it ("The Kernel Test Anything Protocol"): each file is a test whose subtests are
 * the cells of its matrix. What is wrong stands in diagnostic lines before the result.
 */

import type { Reporter, TestModule } from 'vitest/node'
import { byPath, type Result, resultsOf } from './results.ts'

const INDENT = '  '

const plain = (text: string): string => text.replaceAll('#', '').replace(/\s+/g, ' ').trim()

function resultLine({ state, name, why, fails }: Result, number: number): string {
  const directive = state === 'skipped' ? ` # SKIP ${plain(why)}` : state === 'passed' && fails !== null ? ` # XFAIL ${plain(fails)}` : ''
  return `${state === 'failed' ? 'not ok' : 'ok'} ${number} ${plain(name)}${directive}`.trimEnd()
}

const diagnostics = ({ state, message }: Result): string[] =>
  state === 'failed' ? message.split('\n').map(line => `# ${line}`.trimEnd()) : []

/** A file with its cells. */
function moduleLines(module: TestModule, number: number): string[] {
  const results = resultsOf(module)
  const inner = [
    'KTAP version 1',
    `1..${results.length}`,
    ...results.flatMap((result, at) => [...diagnostics(result), resultLine(result, at + 1)]),
  ]
  const isFailed = results.some(({ state }) => state === 'failed')
  const isSkipped = results.length > 0 && results.every(({ state }) => state === 'skipped')
  return [
    ...inner.map(line => INDENT + line),
    `${isFailed ? 'not ok' : 'ok'} ${number} ${plain(module.relativeModuleId)}${isSkipped ? ' # SKIP all of its tests' : ''}`,
  ]
}

export const ktapText = (modules: readonly TestModule[]): string =>
  ['KTAP version 1', `1..${modules.length}`, ...byPath(modules).flatMap((module, at) => moduleLines(module, at + 1)), ''].join('\n')

export const ktapReporter = (write: (text: string) => void): Reporter => ({
  onTestRunEnd: (modules: readonly TestModule[]) => write(ktapText(modules)),
})
