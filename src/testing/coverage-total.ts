/** The coverage of many cells as one, and what it comes to. */

import type { BranchCoverage, FileCoverage, LineCoverage } from './coverage.ts'

/** How many there are, and how many were executed. */
export interface Share {
  readonly found: number
  readonly hit: number
}

export interface CoverageTotal {
  readonly lines: Share
  /** Two ways for each conditional branch. */
  readonly branches: Share
  readonly exits: number
}

/** Files by their names, their counts added up; the n-th instruction of a line is the same one in every cell. */
export function mergedCoverage(cells: readonly (readonly FileCoverage[])[]): readonly FileCoverage[] {
  const files = new Map<string, { readonly text: string; readonly lines: Map<number, LineCoverage> }>()
  for (const { file, text, lines } of cells.flat()) {
    const known = files.get(file) ?? { text, lines: new Map() }
    files.set(file, known)
    for (const line of lines) known.lines.set(line.line, sumOf(known.lines.get(line.line), line))
  }
  return [...files]
    .map(([file, { text, lines }]) => ({ file, text, lines: [...lines.values()].sort((a, b) => a.line - b.line) }))
    .sort((a, b) => (a.file < b.file ? -1 : 1))
}

function sumOf(one: LineCoverage | undefined, other: LineCoverage): LineCoverage {
  if (one === undefined) return other
  const exits = { ...one.exits }
  for (const [reason, count] of Object.entries(other.exits)) exits[reason] = (exits[reason] ?? 0) + count
  const add = (a: number | undefined, b: number | undefined): number => (a ?? 0) + (b ?? 0)
  const addBranches = (a: BranchCoverage | undefined, b: BranchCoverage | undefined): BranchCoverage => ({
    taken: add(a?.taken, b?.taken),
    notTaken: add(a?.notTaken, b?.notTaken),
  })
  return {
    line: one.line,
    instructions: pairwise(one.instructions, other.instructions, add),
    branches: pairwise(one.branches, other.branches, addBranches),
    exits,
  }
}

const pairwise = <T>(one: readonly T[], other: readonly T[], add: (a: T | undefined, b: T | undefined) => T): T[] =>
  Array.from({ length: Math.max(one.length, other.length) }, (_, at) => add(one[at], other[at]))

/** Executions of the line's most executed instruction. */
export const hitsOf = ({ instructions }: LineCoverage): number => Math.max(...instructions)

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0)

/** All exits at a line. */
export const exitCount = ({ exits }: LineCoverage): number => total(Object.values(exits))

const shareOf = (counts: readonly number[]): Share => ({ found: counts.length, hit: counts.filter(count => count > 0).length })

export const totalOf = (lines: readonly LineCoverage[]): CoverageTotal => ({
  lines: shareOf(lines.map(hitsOf)),
  branches: shareOf(lines.flatMap(({ branches }) => branches.flatMap(({ taken, notTaken }) => [taken, notTaken]))),
  exits: total(lines.map(exitCount)),
})
