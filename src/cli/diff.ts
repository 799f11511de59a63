/** `vtick diff`: what two traces do differently. */

import { causeJson, causeText, diffCauses } from '../session/diff-causes.ts'
import { diffMemory } from '../session/memory-diff.ts'
import { diffTraces, type TraceDiff } from '../trace/diff.ts'
import { type DiffSides, diffJson, diffText, exitChangesText, firstDifferenceLine, verdictText } from '../trace/diff-text.ts'
import { firstDifference } from '../trace/first-difference.ts'
import type { Projection } from '../trace/projection.ts'
import { paintDiff } from './colour.ts'
import { EXIT, type ExitCode, usageError } from './exit-codes.ts'
import { memoryDiffJson, memoryDiffText, memoryVerdict } from './memory-diff-text.ts'
import type { CommonOptions, Terminal } from './terminal.ts'
import { newestTraces, openNamedTrace, openRunnableTrace } from './trace-argument.ts'

export type Expectation = 'same-exits' | 'same-arch'

export interface DiffCommandOptions extends CommonOptions {
  readonly by?: Projection | 'memory'
  readonly tol?: number
  readonly first?: boolean
  readonly stat?: boolean
  readonly json?: boolean
  readonly expect?: Expectation
  readonly maxTimingDelta?: number
}

/** What is compared when --by does not say. */
function projectionFor({ by, expect, stat, maxTimingDelta }: DiffCommandOptions): Projection | 'memory' {
  if (by !== undefined) return by
  if (maxTimingDelta !== undefined) return 'timing'
  return expect === 'same-exits' || (stat && expect === undefined) ? 'exits' : 'arch'
}

const comparesTimes = (by: Projection | 'memory'): boolean => by === 'timing' || by === 'all'

function checkOptions(by: Projection | 'memory', { tol, first, stat, expect, maxTimingDelta }: DiffCommandOptions): void {
  if (tol !== undefined && !comparesTimes(by))
    throw usageError(`--tol is about times, and --by ${by} compares none`, 'add --by timing or --by all')
  if (maxTimingDelta !== undefined && !comparesTimes(by))
    throw usageError(`--max-timing-delta is about times, and --by ${by} compares none`, 'leave --by out')
  if (expect === 'same-arch' && by !== 'arch' && by !== 'timing')
    throw usageError(`--expect same-arch does not go with --by ${by}`, 'leave --by out')
  if (by === 'memory' && (stat || first || expect !== undefined))
    throw usageError('--by memory compares memory at the end, and nothing else', 'leave the other options out')
  if (first && (stat || expect !== undefined || maxTimingDelta !== undefined))
    throw usageError('--first tells where the traces part, and nothing else', 'leave the other options out')
}

export function diffCommand(terminal: Terminal, files: readonly string[], options: DiffCommandOptions): ExitCode {
  const by = projectionFor(options)
  checkOptions(by, options)
  if (files.length === 1)
    throw usageError(`there is nothing to compare ${files[0]} with`, 'name two traces: `vtick diff A.vtrace B.vtrace`')
  const [nameA, nameB] = files.length === 0 ? newestTraces(terminal.io, 2) : files
  if (nameA === '-' && nameB === '-') throw usageError('both traces are `-`', 'put one of them in a file')
  const open = by === 'memory' ? openRunnableTrace : openNamedTrace
  const a = open(terminal, nameA).reader
  try {
    const b = open(terminal, nameB).reader
    try {
      const sides = { a, b, nameA: nameA!, nameB: nameB! }
      if (by === 'memory') return compareMemory(terminal, sides, options)
      return options.first ? tellFirst(terminal, sides, by, options) : compare(terminal, sides, by, options)
    } finally {
      b.close()
    }
  } finally {
    a.close()
  }
}

function compare(terminal: Terminal, sides: DiffSides, by: Projection, options: DiffCommandOptions): ExitCode {
  const { a, b } = sides
  const diff = diffTraces(a, b, { by, tolerance: options.tol ?? options.maxTimingDelta ?? 0 })
  terminal.print(textOf(terminal, diff, sides, options))
  return isAsExpected(diff, options) ? EXIT.fine : EXIT.no
}

/** Without expectations: no difference. */
function isAsExpected(diff: TraceDiff, { expect, maxTimingDelta }: DiffCommandOptions): boolean {
  if (expect === undefined && maxTimingDelta === undefined) return diff.equal
  if (expect === 'same-exits' && !diff.sameExits) return false
  if (expect === 'same-arch' && !diff.sameEvents) return false
  return maxTimingDelta === undefined || (diff.sameEvents && diff.largestTimeDelta <= maxTimingDelta)
}

const json = (value: object): string =>
  JSON.stringify(value, (_, entry) => (typeof entry === 'bigint' ? `0x${entry.toString(16)}` : entry), 2)

function textOf({ colours }: Terminal, diff: TraceDiff, sides: DiffSides, options: DiffCommandOptions): string {
  const { stat, expect, maxTimingDelta } = options
  if (options.json) return json({ ...diffJson(diff, sides), causes: diffCauses(diff, sides.a, sides.b).map(causeJson) })
  if (stat) return paintDiff(exitChangesText(diff), colours)
  if (expect !== undefined || maxTimingDelta !== undefined) {
    const answer = isAsExpected(diff, options) ? colours.good('as expected') : colours.bad('not as expected')
    const asked = [expect ?? [], maxTimingDelta === undefined ? [] : `times within ${maxTimingDelta} cycles`].flat()
    const largest = maxTimingDelta === undefined ? '' : `; largest difference in time ${diff.largestTimeDelta} cycles`
    return `${answer} (${asked.join(', ')}): ${verdictText(diff)}${largest}`
  }
  const causes = diff.equal ? [] : diffCauses(diff, sides.a, sides.b).map(causeText)
  return paintDiff(diffText(diff, sides, causes), colours)
}

function tellFirst(terminal: Terminal, sides: DiffSides, by: Projection, options: DiffCommandOptions): ExitCode {
  const first = firstDifference(sides.a, sides.b, by)
  if (options.json) terminal.print(json({ version: 1, by, equal: first === undefined, first: first ?? null }))
  else terminal.print(firstDifferenceLine(by, first, sides))
  return first === undefined ? EXIT.fine : EXIT.no
}

function compareMemory(terminal: Terminal, { a, b, nameA, nameB }: DiffSides, options: DiffCommandOptions): ExitCode {
  const diff = diffMemory(a, b)
  if (options.json) terminal.print(json(memoryDiffJson(diff)))
  else terminal.print(diff.equal ? memoryVerdict(diff) : paintDiff(memoryDiffText(diff, nameA, nameB), terminal.colours))
  return diff.equal ? EXIT.fine : EXIT.no
}
