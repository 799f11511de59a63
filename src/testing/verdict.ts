/** What the guest itself says of its run, how the run ended, and whether its recording replays. */

import { lineAt } from '../assembler/image.ts'
import { replay } from '../session/replay.ts'
import type { TraceEvent } from '../spec/trace-events.ts'
import { openTrace } from '../trace/file.ts'
import { eventText } from '../trace/format.ts'
import { groupedNumber } from '../trace/table.ts'
import { type CellRun, MAX_INSTRUCTIONS } from './cell-run.ts'
import type { Failure } from './failure.ts'
import { applies, type GuestTestPlan, type Place } from './plan.ts'

/** The guest's FAIL lines, its exit status, and an end that is none. */
export function failedVerdict(plan: GuestTestPlan, run: CellRun): readonly Failure[] {
  const failures = run.output.filter(({ text }) => text.startsWith('FAIL: ')).map(({ text, index }) => failedReport(plan, run, text, index))
  const { end } = run
  if (end.reason !== 'exit-port') return [...failures, ...abnormalEnd(plan, run)]
  if (end.status !== 0 && failures.length === 0) {
    const expected = 'the guest writes 0 to the exit port'
    failures.push({ place: plan.place, expected, actual: `it writes ${end.status}, and no FAIL line says why`, because: '', event: null })
  }
  return failures
}

function failedReport(plan: GuestTestPlan, { image }: CellRun, text: string, index: number): Failure {
  const name = text.slice('FAIL: '.length)
  return {
    place: reportPlace(image.sources[0]?.text ?? '', name) ?? plan.place,
    expected: `PASS: ${name}`,
    actual: text,
    because: '',
    event: index,
  }
}

/** The one line of the source that reports this name. */
function reportPlace(source: string, name: string): Place | null {
  const lines = source.split(/\r?\n/)
  const found = lines.flatMap((text, index) => (/^\s*(\S+:)?\s*report\b/i.test(text) && text.includes(`"${name}"`) ? [index] : []))
  const [line] = found
  return line === undefined || found.length > 1 ? null : { line: line + 1, column: lines[line]!.search(/\breport\b/i) + 1 }
}

function abnormalEnd(plan: GuestTestPlan, run: CellRun): readonly Failure[] {
  const { end, events, exits, instructions } = run
  const hasBudget = plan.expectations.some(wanted => wanted.kind === 'budget' && wanted.budget === 'insns' && applies(wanted, run.cell))
  if (end.reason === 'budget' && hasBudget && instructions < MAX_INSTRUCTIONS) return [] // the budget says so itself
  const shutdown = events.findLast(event => event.kind === 'shutdown')
  const last = exits.findLast(({ reason }) => reason === (end.reason === 'halted' ? 'HLT' : 'TRIPLE_FAULT'))
  const actual = {
    shutdown: 'a triple fault',
    reset: `a reset of the machine by ${end.why}`,
    'power-off': 'it switched the machine off, and a test tells its result by port 0xf4',
    halted: 'HLT, and nothing is left that could wake the guest',
    budget: `it is still running after ${groupedNumber(MAX_INSTRUCTIONS)} instructions; \`;! budget insns<=n\` sets another limit`,
    unsupported: `${end.why} is not supported`,
    'exception-loop': `exceptions without end, the last of ${end.why}`,
    'internal-error': `KVM cannot go on: ${end.why}`,
  }[end.reason as Exclude<typeof end.reason, 'exit-port'>]
  const rip = shutdown?.rip ?? (end.reason === 'halted' || end.reason === 'shutdown' ? last?.rip : undefined)
  const place = (rip === undefined ? null : placeOf(run, rip)) ?? plan.place
  const exception = events.findLast(event => event.kind === 'exception')
  const because = end.reason === 'shutdown' && exception !== undefined ? `the last exception was ${eventText(exception)}` : ''
  return [
    {
      place,
      expected: 'the guest ends by itself, with a status to the exit port',
      actual,
      because,
      event: last?.index ?? events.length - 1,
    },
  ]
}

/** The place of an instruction in the test file. */
function placeOf({ image }: CellRun, rip: bigint): Place | null {
  const found = lineAt(image, Number(rip))
  return found?.source === 0 ? { line: found.line, column: 1 } : null
}

/** Every test replays its own recording once. */
export function failedReplay({ place }: GuestTestPlan, { trace }: CellRun): readonly Failure[] {
  const result = replay(openTrace(trace))
  if (result.kind === 'same') return []
  const { index, expected, actual, cause } = result.divergence
  const words = (event: TraceEvent | null): string => (event === null ? 'the end' : `${event.kind} ${eventText(event)}`)
  return [
    {
      place,
      expected: `replayed, event #${index} is ${words(expected)}`,
      actual: words(actual),
      because: `${cause}; the same run twice must be the same, so this is a mistake in vtick`,
      event: expected === null ? index - 1 : index,
    },
  ]
}
