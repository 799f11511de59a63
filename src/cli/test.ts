/** `vtick test`: guest tests by vitest, for people who have no vitest project. */

import type { TestCounts, WantedCoverage, WantedReporter } from '../testing/run-tests.ts'
import { EXIT, type ExitCode, UserError, usageError } from './exit-codes.ts'
import type { CommonOptions, Terminal } from './terminal.ts'

export interface TestCommandOptions extends CommonOptions {
  readonly update?: boolean
  readonly watch?: boolean
  readonly group?: readonly string[]
  readonly shard?: string
  readonly mergeReports?: string | true
  readonly reporter?: readonly WantedReporter[]
  readonly coverage?: readonly WantedCoverage[]
}

export async function testCommand(terminal: Terminal, patterns: readonly string[], options: TestCommandOptions): Promise<ExitCode> {
  const { io } = terminal
  const { update = false, watch = false, group = [], shard = null, mergeReports, coverage = [] } = options
  const { reporter = [{ name: 'default', file: null }] } = options
  if (watch && shard !== null) throw usageError('--watch does not go with --shard', 'leave one of the two out')
  if (mergeReports !== undefined && (watch || shard !== null || patterns.length > 0))
    throw usageError('--merge-reports runs no tests', 'give it only reporters')
  const { runTests, SHARDS } = await loadRunner()
  const counts = await runTests({
    root: io.cwd,
    patterns,
    groups: group,
    update,
    watch,
    shard,
    merge: mergeReports === undefined ? null : mergeReports === true ? SHARDS : mergeReports,
    reporters: reporter,
    coverage,
    print: text => io.stdout.write(text),
  })
  return codeOf(terminal, counts, patterns)
}

/** Vitest is a peer: npm installs it with vtick, other package managers may not. */
async function loadRunner(): Promise<typeof import('../testing/run-tests.ts')> {
  try {
    return await import('../testing/run-tests.ts')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND' && error.message.includes("'vitest'"))
      throw new UserError(EXIT.usage, '`vtick test` needs vitest', 'install it with `npm install --save-dev vitest`')
    throw error
  }
}

function codeOf(terminal: Terminal, { files, passed, failed, skipped }: TestCounts, patterns: readonly string[]): ExitCode {
  if (files === 0) {
    const what =
      patterns.length === 0 ? 'there are no guest tests (*.guest.asm) here' : `no guest test has ${patterns.join(' or ')} in its path`
    throw usageError(what, '`vtick new NAME` writes a first one')
  }
  if (failed > 0) return EXIT.no
  if (passed === 0 && skipped > 0) {
    terminal.say('every test was skipped')
    return EXIT.allSkipped
  }
  return EXIT.fine
}
