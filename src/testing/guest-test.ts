/**
 * What the module that the plugin makes of a `*.guest.asm` file calls while vitest runs it: assemble once, run each cell, judge it,
 * and throw one error that points into the asm file.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { type AssembleResult, assemble } from '../assembler/assemble.ts'
import type { Image } from '../assembler/image.ts'
import { renderDiagnostics } from '../assembler/render-diagnostics.ts'
import { type CellRun, runCell } from './cell-run.ts'
import { parseGuestTest } from './directives.ts'
import { type Failure, failedExpectations } from './expectations.ts'
import { failureText, type PassingCell, problemsText, traceFileOf } from './failure-text.ts'
import { type Cell, cellsOf, type GuestTestPlan } from './plan.ts'
import { SourceFinder, shownName } from './sources.ts'
import { failedReplay, failedVerdict } from './verdict.ts'

/** Makes an error whose stack begins at a line of the test file: the plugin puts one such function on each line. */
export type ErrorsByLine = (line: number) => ((message: string) => Error) | undefined

export interface GuestTest {
  /** Runs a cell; throws when anything about it is not as it should be. */
  run(cell: number): void
  /** Throws the directives that cannot be followed. */
  refuse(): never
}

export function openGuestTest(path: string, root: string, errors: ErrorsByLine): GuestTest {
  const source = readFileSync(path, 'utf8')
  const file = shownName(path, root)
  const { plan, problems } = parseGuestTest(source)
  let assembled: AssembleResult | undefined
  const fail = (line: number, text: string): never => {
    throw pointed((errors(line) ?? errors(1) ?? Error)(text))
  }
  const imageOf = ({ place }: GuestTestPlan): Image => {
    const finder = new SourceFinder(path, root)
    assembled ??= assemble(source, {
      file,
      include: (name, from) => finder.include(name, from),
      readBinary: (name, from) => finder.readBinary(name, from),
    })
    const { image, diagnostics, sources } = assembled
    const first = diagnostics.find(({ severity, span }) => severity === 'error' && span.source === 0)
    return image ?? fail(first?.span.line ?? place.line, renderDiagnostics(diagnostics, sources))
  }
  return {
    run(index) {
      if (plan === null) return this.refuse()
      const image = imageOf(plan)
      const cell = cellsOf(plan.matrix)[index]!
      const run = runCell(plan, cell, image)
      const failures = failuresOf(plan, run)
      const [first] = failures
      if (first === undefined) return
      const traceFile = keepTrace(root, file, run)
      fail(first.place.line, failureText({ file, source, run, failures, traceFile, passing: passingCell(plan, cell, image, root, file) }))
    },
    refuse: () => fail(problems[0]?.place.line ?? 1, problemsText(file, source, problems)),
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

const failuresOf = (plan: GuestTestPlan, run: CellRun): readonly Failure[] => [
  ...failedVerdict(plan, run),
  ...failedExpectations(plan, run),
  ...failedReplay(plan, run),
]

/** A failing run's trace is kept as a file, so that the other commands can look at it. */
function keepTrace(root: string, file: string, { cell, trace }: CellRun): string {
  const name = traceFileOf(file, cell)
  mkdirSync(dirname(resolve(root, name)), { recursive: true })
  writeFileSync(resolve(root, name), trace)
  return name
}

/** The first cell that differs in one axis only and passes: what to compare with. */
function passingCell(plan: GuestTestPlan, cell: Cell, image: Image, root: string, file: string): PassingCell | null {
  for (const { name, values } of plan.matrix) {
    for (const value of values) {
      if (value === cell[name]) continue
      const run = runCell(plan, { ...cell, [name]: value }, image)
      if (failuresOf(plan, run).length === 0) return { axis: name, value, traceFile: keepTrace(root, file, run) }
    }
  }
  return null
}
