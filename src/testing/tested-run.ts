/** A guest that a test in TypeScript runs: assembled, run once, replayed once; and the run as matchers and people look at it. */

import { createHash } from 'node:crypto'
import { cwd } from 'node:process'
import { renderDiagnostics } from '../assembler/render-diagnostics.ts'
import type { TraceEvent } from '../spec/trace-events.ts'
import { assembleGuest } from './assemble-guest.ts'
import { type CellRun, runCell } from './cell-run.ts'
import { deliveries } from './check-events.ts'
import { commentsOf } from './directive-comments.ts'
import { readCpu, readMatrix } from './directive-parts.ts'
import { refusing, WordReader } from './directive-words.ts'
import { emptyDraft, parseGuestTest } from './directives.ts'
import type { Failure } from './failure.ts'
import { failureText, problemsText } from './failure-text.ts'
import type { GuestOptions, GuestSource } from './guest.ts'
import { keepTrace } from './kept-trace.ts'
import type { Axis, Cell, GuestTestPlan, TimePoint } from './plan.ts'
import { SourceFinder, shownName } from './sources.ts'
import { failedReplay, failedVerdict } from './verdict.ts'
import { type WalkFacts, walkFacts } from './walk-facts.ts'

/** A moment that belongs to each interrupt: for `toFireWithin`. */
export type Moment = Pick<TimePoint, 'from'>

/** The deliveries of one vector to the guest. */
export interface Irq {
  readonly vector: number
  readonly count: number
  /** Numbers of their events. */
  readonly indexes: readonly number[]
  /** When each was delivered. */
  readonly ticks: readonly number[]
  readonly run: TestedRun
}

export interface TestedRun extends CellRun {
  /** The guest's name in messages. */
  readonly file: string
  readonly source: string
  /** All that the guest printed. */
  readonly console: string
  /** When the deadline that the guest wrote last before an interrupt is due. */
  readonly deadline: Moment
  /** When the guest wrote it. */
  readonly arm: Moment
  irq(vector: number): Irq
  /** The guest's writes of deadlines and its EOIs, for which the run is walked once more. */
  facts(): WalkFacts
  /** What the guest itself says against its run: FAIL lines, its status, an end that is none. */
  readonly failures: readonly Failure[]
  /** Keeps the trace below the working directory; returns its name. */
  keep(): string
}

/** What the directives of a file say of how it runs. What they expect is asked when the file itself is run as a test. */
const BARE: GuestTestPlan = { ...emptyDraft(), name: 'a guest' }

export function runGuest(source: GuestSource, options: GuestOptions): TestedRun {
  const file = shownName(source.path, cwd())
  const { plan, cell } = planOf(source, file, options)
  const defines = Object.fromEntries(Object.entries(options.defines ?? {}).map(([name, value]) => [name, String(value)]))
  const { image, diagnostics, sources } = assembleGuest(source.text, file, new SourceFinder(source.path, cwd()), defines)
  if (image === undefined) throw new Error(renderDiagnostics(diagnostics, sources))
  const run = runCell(plan, { ...defines, ...cell }, image)
  const name = source.isInline ? `inline-${createHash('sha256').update(source.text).digest('hex').slice(0, 8)}` : file
  const keep = (): string => keepTrace(cwd(), name, run)
  const failures = failedReplay(plan, run)
  if (failures.length > 0) throw new Error(failureText({ file, source: source.text, run, failures, traceFile: keep(), compare: null }))
  return testedRun(run, { file, source: source.text, failures: failedVerdict(plan, run), keep })
}

type Given = Pick<TestedRun, 'file' | 'source' | 'failures' | 'keep'>

function testedRun(run: CellRun, given: Given): TestedRun {
  let facts: WalkFacts | undefined
  const tested: TestedRun = {
    ...run,
    ...given,
    console: consoleOf(run.events),
    deadline: { from: 'deadline' },
    arm: { from: 'arm' },
    irq(vector) {
      const found = deliveries(run).filter(([, event]) => event.vector === vector)
      const indexes = found.map(([index]) => index)
      return { vector, count: found.length, indexes, ticks: found.map(([, { tick }]) => tick), run: tested }
    },
    facts() {
      facts ??= walkFacts([], run)
      return facts
    },
  }
  return tested
}

const consoleOf = (events: readonly TraceEvent[]): string =>
  Buffer.from(events.flatMap(event => (event.kind === 'console' ? [event.byte] : []))).toString('latin1')

interface Planned {
  readonly plan: GuestTestPlan
  readonly cell: Cell
}

/** The options in the directives' own terms: axes with one value, in the cell of those. */
function planOf(source: GuestSource, file: string, { params = {}, level, cpu = [], defects = [], input }: GuestOptions): Planned {
  const base = source.isInline ? BARE : planOfFile(source.text, file)
  const matrix: Axis[] = []
  const axis = (text: string): void => {
    matrix.push(readMatrix(wordsOf(text), matrix))
  }
  return refusing(() => {
    for (const [name, value] of Object.entries(params)) axis(`${name} = ${Number(value)}`)
    if (level !== undefined) axis(`level = ${level}`)
    const features = { ...base.features }
    for (const change of cpu) Object.assign(features, readCpu(wordsOf(change)))
    for (const name of defects) axis(`${name} = 1`)
    const plan = { ...base, matrix, features, expectations: [], input: input ?? base.input }
    const cell = Object.fromEntries([
      ...matrix.map(({ name, values }) => [name, values[0]!]),
      ...(cpu.length === 0 ? [] : [['cpu', cpu.join(' ')]]),
    ])
    return { plan, cell }
  })
}

const wordsOf = (text: string): WordReader => new WordReader(text, 1, 1)

/** A program without directives is a guest too. */
function planOfFile(source: string, file: string): GuestTestPlan {
  if (source.split(/\r?\n/).every(line => commentsOf(line).length === 0)) return BARE
  const { plan, problems } = parseGuestTest(source)
  if (plan === null) throw new Error(problemsText(file, source, problems))
  return plan
}
