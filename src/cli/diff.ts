/** `vtick diff`: what two traces do differently. */

import { diffTraces, type TraceDiff } from '../trace/diff.ts'
import { type DiffSides, diffJson, diffText, exitChangesText, verdictText } from '../trace/diff-text.ts'
import type { Projection } from '../trace/projection.ts'
import { paintDiff } from './colour.ts'
import { EXIT, type ExitCode, usageError } from './exit-codes.ts'
import type { CommonOptions, Terminal } from './terminal.ts'
import { newestTraces, openNamedTrace } from './trace-argument.ts'

export type Expectation = 'same-exits' | 'same-arch'

export interface DiffCommandOptions extends CommonOptions {
  readonly by?: Projection
  readonly tol?: number
  readonly stat?: boolean
  readonly json?: boolean
  readonly expect?: Expectation
}

/** What is compared when --by does not say. */
const projectionFor = ({ by, expect, stat }: DiffCommandOptions): Projection =>
  by ?? (expect === 'same-exits' || (stat && expect === undefined) ? 'exits' : 'arch')

export function diffCommand(terminal: Terminal, files: readonly string[], options: DiffCommandOptions): ExitCode {
  const by = projectionFor(options)
  const { tol, expect } = options
  if (tol !== undefined && by !== 'timing' && by !== 'all')
    throw usageError(`--tol is about times, and --by ${by} compares none`, 'add --by timing or --by all')
  if (expect === 'same-arch' && by !== 'arch') throw usageError(`--expect same-arch does not go with --by ${by}`, 'leave --by out')
  if (files.length === 1)
    throw usageError(`there is nothing to compare ${files[0]} with`, 'name two traces: `vtick diff A.vtrace B.vtrace`')
  const [nameA, nameB] = files.length === 0 ? newestTraces(terminal.io, 2) : files
  if (nameA === '-' && nameB === '-') throw usageError('both traces are `-`', 'put one of them in a file')
  const a = openNamedTrace(terminal, nameA).reader
  try {
    const b = openNamedTrace(terminal, nameB).reader
    try {
      const diff = diffTraces(a, b, { by, tolerance: tol ?? 0 })
      terminal.print(textOf(terminal, diff, { a, b, nameA: nameA!, nameB: nameB! }, options))
      return isAsExpected(diff, expect) ? EXIT.fine : EXIT.no
    } finally {
      b.close()
    }
  } finally {
    a.close()
  }
}

const isAsExpected = (diff: TraceDiff, expect: Expectation | undefined): boolean => (expect === 'same-exits' ? diff.sameExits : diff.equal)

function textOf({ colours }: Terminal, diff: TraceDiff, sides: DiffSides, { json, stat, expect }: DiffCommandOptions): string {
  if (json) return JSON.stringify(diffJson(diff, sides), (_, value) => (typeof value === 'bigint' ? `0x${value.toString(16)}` : value), 2)
  if (stat) return paintDiff(exitChangesText(diff), colours)
  if (expect !== undefined) {
    const answer = isAsExpected(diff, expect) ? colours.good('as expected') : colours.bad('not as expected')
    return `${answer} (${expect}): ${verdictText(diff)}`
  }
  return paintDiff(diffText(diff, sides), colours)
}
