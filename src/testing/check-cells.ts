/** Expectations that compare a run with another cell of the matrix, and what is kept of a run in a golden file. */

import { diffTraces } from '../trace/diff.ts'
import { firstDifferenceText } from '../trace/diff-text.ts'
import { openTrace } from '../trace/file.ts'
import { exitLabel, exitStatistics } from '../trace/statistics.ts'
import { textTable } from '../trace/table.ts'
import type { CellRun } from './cell-run.ts'
import type { Evidence } from './evidence.ts'
import type { Failure } from './failure.ts'
import { type Cell, cellLabel, type Wanted } from './plan.ts'

const BY_WORDS = { arch: 'what the guest sees', exits: 'the exits' } as const

/** A cell is the same as itself. */
export function checkSame({ place, by, cell }: Wanted<'same'>, { run, runOf }: Evidence): Failure | null {
  const other: Cell = { ...run.cell, ...Object.fromEntries(cell.map(({ axis, value }) => [axis, value])) }
  if (cellLabel(other) === cellLabel(run.cell)) return null
  const [a, b] = [openTrace(runOf(other).trace), openTrace(run.trace)]
  const diff = diffTraces(a, b, { by })
  if (diff.equal) return null
  const [hunk] = diff.hunks
  const event = hunk?.b[0] ?? hunk?.after[1] ?? -1
  return {
    place,
    expected: `${BY_WORDS[by]}: the same as in ${cellLabel(other)}`,
    actual: `different in ${diff.hunkCount === 1 ? '1 place' : `${diff.hunkCount} places`}`,
    because: (firstDifferenceText(diff, { a, b, nameA: '', nameB: '' }) ?? '').replace(/^A /, 'there it ').replace('; B ', '; here it '),
    event: event < 0 ? null : event,
    other,
  }
}

/** The exits of a run, one kind a line, in the order of their names: what a golden file holds. */
export function exitsText({ events }: CellRun): string {
  const rows = exitStatistics(events).map(row => [exitLabel(row), String(row.samples)])
  return rows.length === 0
    ? 'no VM exits'
    : textTable(
        rows.sort(([a], [b]) => (a! < b! ? -1 : 1)),
        1,
      )
}
