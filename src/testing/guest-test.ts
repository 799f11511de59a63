/**
 * What the module that the plugin makes of a `*.guest.asm` file calls while vitest runs it: assemble once, run each cell, judge it,
 * and throw one error that points into the asm file.
 */

import { readFileSync } from 'node:fs'
import type { AssembleResult } from '../assembler/assemble.ts'
import type { Image } from '../assembler/image.ts'
import { renderDiagnostics } from '../assembler/render-diagnostics.ts'
import { assembleGuest } from './assemble-guest.ts'
import { type CellRun, runCell } from './cell-run.ts'
import { type CoveredProgram, coverageOf } from './coverage.ts'
import { parseGuestTest } from './directives.ts'
import { failedExpectations } from './expectations.ts'
import type { Failure } from './failure.ts'
import { type CellToCompare, cellName, failureText, problemsText } from './failure-text.ts'
import { failedGolden, type Golden } from './golden.ts'
import { keepTrace } from './kept-trace.ts'
import { type Cell, cellLabel, cellsOf, type GuestTestPlan } from './plan.ts'
import type { GuestMeta } from './reporters/results.ts'
import { SourceFinder, shownName } from './sources.ts'
import { failedReplay, failedVerdict } from './verdict.ts'

export interface GuestTestOptions {
  readonly path: string
  readonly root: string
  /** Makes an error whose stack begins at a line of the test file: the plugin puts one such function on each line. */
  readonly errorAt: (line: number) => ((message: string) => Error) | undefined
  /** Compares with what is kept beside the file. */
  readonly golden: Golden
  /** Whether a cell's coverage goes with its task. */
  readonly coverage?: boolean
}

/** The part of vitest's task that a guest test writes to. */
export interface GuestTask {
  readonly meta: { vtick?: GuestMeta }
}

export interface GuestContext {
  readonly task: GuestTask
  skip(why: string): never
}

export interface GuestTest {
  /** Runs a cell; throws when anything about it is not as it should be. */
  run(cell: number, task?: GuestTask): void
  /** Leaves a cell out. */
  skip(cell: number, context: GuestContext, why: string): void
  /** Throws the directives that cannot be followed. */
  refuse(task?: GuestTask): never
}

export function openGuestTest({ path, root, errorAt, golden, coverage = false }: GuestTestOptions): GuestTest {
  const source = readFileSync(path, 'utf8')
  const file = shownName(path, root)
  const { plan, problems } = parseGuestTest(source)
  const fail = (line: number, text: string): never => {
    throw pointed((errorAt(line) ?? errorAt(1) ?? Error)(text))
  }
  const tell = (task: GuestTask | undefined, cell: Cell, summary: string, more: Pick<GuestMeta, 'coverage'> = {}): void => {
    if (task !== undefined) task.meta.vtick = { name: cellName(file, cell), summary, fails: plan?.fails ?? null, ...more }
  }
  const refuse = (task?: GuestTask): never => {
    tell(task, {}, '')
    return fail(problems[0]?.place.line ?? 1, problemsText(file, source, problems))
  }
  const programOf = programMaker(path, root, source, fail)
  return {
    run(index, task) {
      if (plan === null) return refuse(task)
      const program = programOf(plan)
      const cells = cellRuns(plan, program.image)
      const cell = cellsOf(plan.matrix)[index]!
      const run = cells.runOf(cell)
      tell(task, cell, summaryOf(run), coverage ? { coverage: coverageOf(run, program) } : {})
      const failures = [...cells.failuresOf(run), ...failedGolden(plan, run, golden)]
      const [first] = failures
      if (first === undefined) return
      const keep = (kept: CellRun): string => keepTrace(root, file, kept)
      const compare = cellToCompare(plan, cells, run, first, keep)
      fail(first.place.line, failureText({ file, source, run, failures, traceFile: keep(run), compare }))
    },
    skip(index, context, why) {
      tell(context.task, cellsOf(plan?.matrix ?? [])[index] ?? {}, '')
      context.skip(why)
    },
    refuse,
  }
}

/** What the guest's last line says of its own checks, as in kvm-unit-tests. */
const summaryOf = ({ output }: CellRun): string =>
  /^SUMMARY: (.*)/.exec(output.findLast(({ text }) => text.startsWith('SUMMARY: '))?.text ?? '')?.[1] ?? ''

/** Assembles once, when the first cell asks. What vtick's own include files execute is not covered: they are not under test. */
function programMaker(
  path: string,
  root: string,
  source: string,
  fail: (line: number, text: string) => never,
): (plan: GuestTestPlan) => CoveredProgram {
  const finder = new SourceFinder(path, root)
  let assembled: AssembleResult | undefined
  return ({ place }) => {
    assembled ??= assembleGuest(source, shownName(path, root), finder)
    const { image, code, diagnostics, sources } = assembled
    const first = diagnostics.find(({ severity, span }) => severity === 'error' && span.source === 0)
    if (image === undefined) return fail(first?.span.line ?? place.line, renderDiagnostics(diagnostics, sources))
    return { image, code, isWanted: name => !finder.isOwn(name) }
  }
}

/** The stack keeps its first frame: the asm line, and nothing of how vtick got there. */
function pointed(error: Error): Error {
  const { stack = '' } = error
  const [, frame = ''] = stack.slice(stack.indexOf(error.message) + error.message.length).split('\n')
  error.name = 'guest test'
  error.stack = `${error.name}: ${error.message}\n${frame.replace(/at at\d+ \((.*)\)$/, 'at $1')}`
  return error
}

interface CellRuns {
  readonly runOf: (cell: Cell) => CellRun
  readonly failuresOf: (run: CellRun) => readonly Failure[]
}

/** The runs that judging one cell takes: its own, and those it is compared with. Each is made once. */
function cellRuns(plan: GuestTestPlan, image: Image): CellRuns {
  const runs = new Map<string, CellRun>()
  const runOf = (cell: Cell): CellRun => {
    const label = cellLabel(cell)
    const run = runs.get(label) ?? runCell(plan, cell, image)
    runs.set(label, run)
    return run
  }
  const failuresOf = (run: CellRun): readonly Failure[] => [
    ...failedVerdict(plan, run),
    ...failedExpectations(plan, run, runOf),
    ...failedReplay(plan, run),
  ]
  return { runOf, failuresOf }
}

/** What to compare a failing cell with: the one that the expectation names, or the first that differs in one axis only and passes. */
function cellToCompare(
  plan: GuestTestPlan,
  { runOf, failuresOf }: CellRuns,
  { cell }: CellRun,
  { other }: Failure,
  keep: (run: CellRun) => string,
): CellToCompare | null {
  if (other !== undefined) return { label: cellLabel(other), passes: false, traceFile: keep(runOf(other)) }
  for (const { name, values } of plan.matrix) {
    for (const value of values) {
      if (value === cell[name]) continue
      const run = runOf({ ...cell, [name]: value })
      if (failuresOf(run).length === 0) return { label: `${name}=${value}`, passes: true, traceFile: keep(run) }
    }
  }
  return null
}
