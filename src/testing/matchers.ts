/**
 * Matchers for runs of guests. Each gives vitest two texts of lines to compare, so that its diff shows what differs in the words of
 * traces; the message says why, as far as that is known, and how to look closer.
 *
 *     expect(run).toHaveExits({ 'MSR_WRITE, 0x6e0': 12, HLT: 0 })
 */

import { diffTraces, type Hunk } from '../trace/diff.ts'
import { firstDifferenceText } from '../trace/diff-text.ts'
import { openTrace, type TraceReader } from '../trace/file.ts'
import { eventColumns } from '../trace/format.ts'
import { textTable } from '../trace/table.ts'
import { checkIrqTime } from './check-events.ts'
import { checkCount, patternText } from './check-exits.ts'
import { readExits } from './directive-patterns.ts'
import { refusing, WordReader } from './directive-words.ts'
import { matching } from './exits.ts'
import type { Failure } from './failure.ts'
import { openRow, reasonRows } from './failure-text.ts'
import type { ExitPattern } from './plan.ts'
import type { Irq, Moment, TestedRun } from './tested-run.ts'
import type { TimeSpan } from './time-span.ts'

/** What vitest's `expect.extend` takes back. */
export interface MatcherResult {
  readonly pass: boolean
  readonly message: () => string
  readonly actual?: unknown
  readonly expected?: unknown
}

interface GuestMatchers<R> {
  /** The guest ended by itself, with status 0 to the exit port, and printed no FAIL line. */
  toPass(): R
  /** So many VM exits of each reason, and MSR: `{ MSR_WRITE: 0, 'MSR_WRITE, 0x6e0': 0 }`. Reasons that are not named are not asked. */
  toHaveExits(counts: Readonly<Record<string, number>>): R
  /** The vector is delivered, each time no earlier than the moment and no more than the span behind it. */
  toFireWithin(moment: Moment, span: TimeSpan): R
  /** The guest sees the same as in the other run, whenever it sees it: what `vtick diff --by arch` compares. */
  toMatchArch(other: TestedRun): R
}

declare module 'vitest' {
  interface Matchers<T> extends GuestMatchers<void> {}
}

/** The place of a failure is in the TypeScript test, which vitest shows. */
const PLACE = { line: 1, column: 1 }

export const matchers = {
  toPass(received: unknown): MatcherResult {
    const run = runOf(received, 'toPass')
    const { failures } = run
    return {
      pass: failures.length === 0,
      message: () => messageOf(failures.length === 0 ? 'the guest passes, and it should not' : 'the guest does not pass', run, failures),
      expected: failures.map(({ expected }) => expected).join('\n'),
      actual: failures.map(({ actual }) => actual).join('\n'),
    }
  },

  toHaveExits(received: unknown, counts: Readonly<Record<string, number>>): MatcherResult {
    const run = runOf(received, 'toHaveExits')
    const wanted = Object.entries(counts).map(([text, count]) => ({ exits: exitsNamed(text), count }))
    const failures = wanted.flatMap(
      ({ exits, count }) => checkCount({ kind: 'exits', exits, comparison: '==', count, place: PLACE, when: [] }, run) ?? [],
    )
    const table = (countOf: (row: (typeof wanted)[number]) => number): string =>
      textTable(
        wanted.map(row => [patternText(row.exits), String(countOf(row))]),
        1,
      )
    return {
      pass: failures.length === 0,
      message: () =>
        messageOf(failures.length === 0 ? 'these are its exits, and they should not be' : 'other counts of exits', run, failures),
      expected: table(({ count }) => count),
      actual: table(({ exits }) => matching(run.exits, exits).length),
    }
  },

  toFireWithin(received: unknown, { from }: Moment, { offset, unit }: TimeSpan): MatcherResult {
    const { vector, run } = irqOf(received)
    const bounds = { from: { from, offset: 0, unit }, to: { from, offset, unit } }
    const evidence = { run, facts: () => run.facts(), runOf: () => run }
    const failure = checkIrqTime({ kind: 'irq-time', vector, ...bounds, place: PLACE, when: [] }, evidence)
    const failures = failure === null ? [] : [failure]
    return {
      pass: failure === null,
      message: () =>
        messageOf(failure === null ? 'it fires in this time, and it should not' : 'it does not fire in this time', run, failures),
      expected: failure?.expected,
      actual: failure?.actual,
    }
  },

  toMatchArch(received: unknown, other: unknown): MatcherResult {
    const [run, theirs] = [runOf(received, 'toMatchArch'), runOf(other, 'toMatchArch')]
    const [a, b] = [openTrace(theirs.trace), openTrace(run.trace)]
    const diff = diffTraces(a, b, { by: 'arch' })
    const first = (firstDifferenceText(diff, { a, b, nameA: '', nameB: '' }) ?? '')
      .replace(/^A /, 'there it ')
      .replace('; B ', '; here it ')
    const hunks = diff.groups.slice(0, SHOWN_HUNKS).map(group => group.first)
    const [hunk] = hunks
    const event = hunk === undefined ? null : (hunk.b[0] ?? Math.max(hunk.after[1], hunk.before[1]))
    const failure = { place: PLACE, expected: '', actual: '', because: first, event }
    return {
      pass: diff.equal,
      message: () =>
        diff.equal
          ? 'the guest sees the same in both runs, and it should not'
          : messageOf(`the guest sees different things in ${diff.hunkCount} places`, run, [failure]),
      expected: hunks.flatMap(each => hunkLines(a, each, 0)).join('\n'),
      actual: hunks.flatMap(each => hunkLines(b, each, 1)).join('\n'),
    }
  },
}

const SHOWN_HUNKS = 5
const SHOWN_EVENTS = 12

/** One side of a difference, with what stands around it on both; event numbers and times would make every line differ. */
function hunkLines(reader: TraceReader, { a, b, before, after }: Hunk, side: 0 | 1): readonly string[] {
  const line = (index: number): string => {
    const { level, word, detail } = eventColumns(reader.event(index))
    return `${level} ${word} ${detail}`.trimEnd()
  }
  const own = side === 0 ? a : b
  const rest = own.length > SHOWN_EVENTS ? [`... and ${own.length - SHOWN_EVENTS} more`] : []
  const around = (index: number): readonly string[] => (index < 0 ? [] : [line(index)])
  return [...around(before[side]), ...own.slice(0, SHOWN_EVENTS).map(line), ...rest, ...around(after[side])]
}

function messageOf(what: string, run: TestedRun, failures: readonly Failure[]): string {
  const rows = failures.flatMap(failure => reasonRows(run, failure))
  return [`${run.file}: ${what}`, ...rows, ...(failures.length === 0 ? [] : [openRow(run.keep(), failures)])].join('\n')
}

/** `MSR_WRITE`, `MSR_WRITE, 0x6e0`. */
const exitsNamed = (text: string): ExitPattern =>
  refusing(() => {
    const words = new WordReader(`(${text})`, 1, 1)
    const exits = readExits(words)
    words.end()
    return exits
  })

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

function runOf(received: unknown, matcher: string): TestedRun {
  if (isObject(received) && 'exits' in received && 'keep' in received) return received as TestedRun
  throw new TypeError(`${matcher} is about a run: expect(await guest('x.guest.asm').run()).${matcher}(...)`)
}

function irqOf(received: unknown): Irq {
  if (isObject(received) && 'vector' in received && 'run' in received) return received as Irq
  throw new TypeError('toFireWithin is about the deliveries of a vector: expect(run.irq(0xec)).toFireWithin(run.deadline, cycles(64))')
}
