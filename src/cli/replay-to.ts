/** `vtick replay --to POSITION --until EXPRESSION`: the state of a recorded run at a place, or where something becomes true behind it. */

import { FilterError, troubleIn } from '../query/filter-fields.ts'
import { stopOf } from '../session/expression-stop.ts'
import { openTimeline, type Timeline } from '../session/timeline.ts'
import { type Arrival, type Cursor, continueForward, START, type Stop } from '../session/travel.ts'
import { formatEvent } from '../trace/format.ts'
import { cursorIn } from './cursor-argument.ts'
import { EXIT, type ExitCode, usageError } from './exit-codes.ts'
import type { Printable } from './printable.ts'
import { runSlices, waiting } from './slices.ts'
import { exitLines, stateText } from './state-text.ts'
import type { Terminal } from './terminal.ts'
import { openRunnableTrace } from './trace-argument.ts'

export interface ReplayToOptions {
  readonly to?: string
  readonly until?: string
  readonly param?: unknown
  readonly set?: unknown
  readonly print?: ReadonlySet<Printable>
}

interface Shown {
  readonly terminal: Terminal
  readonly timeline: Timeline
  readonly print: ReadonlySet<Printable>
}

export async function replayTo(
  terminal: Terminal,
  file: string | undefined,
  { to, until, param, set, print = new Set(['regs']) }: ReplayToOptions,
): Promise<ExitCode> {
  if (param !== undefined || set !== undefined)
    throw usageError('--to and --until look at the recorded run, --param and --set make another', 'leave one of the two out')
  const { name, reader } = openRunnableTrace(terminal, file)
  try {
    const timeline = openTimeline(reader)
    const shown = { terminal, timeline, print }
    const start = to === undefined ? START : await cursorIn(terminal, timeline, { name, at: to })
    if (start === null) return EXIT.interrupted
    if (until === undefined) return show(shown, start)
    const arrival = await arriveAt(terminal, timeline, start, stopNamed(timeline, until))
    if (arrival === null) return EXIT.interrupted
    if (arrival.reason.kind !== 'stop') {
      terminal.complain(`${name}: \`${until}\` never comes true behind ${to ?? 'the beginning'}`)
      return EXIT.no
    }
    return show(shown, arrival.event === undefined ? arrival.place : { ...arrival.place, event: arrival.event })
  } finally {
    reader.close()
  }
}

async function arriveAt(terminal: Terminal, timeline: Timeline, start: Cursor, stop: Stop): Promise<Arrival | null> {
  const { value } = await runSlices(terminal, waiting(continueForward(timeline, start, [stop])), { doing: 'running' })
  return value
}

/** What the user wants to stop at. */
function stopNamed(timeline: Timeline, text: string): Stop {
  try {
    return stopOf(timeline, text)
  } catch (error) {
    if (error instanceof FilterError)
      throw usageError(`--until: ${troubleIn(text, error)}`, error.help || 'as in `rax == 5` or `exit(HLT)`')
    throw error
  }
}

function show({ terminal, timeline, print }: Shown, cursor: Cursor): ExitCode {
  const { reader } = timeline
  const view = cursor.event === undefined ? timeline.atMoment(cursor) : timeline.atEvent(cursor.event)
  if (print.has('exits')) for (const line of exitLines(reader, view.eventIndex)) terminal.print(line)
  if (!print.has('regs')) return EXIT.fine
  if (cursor.event !== undefined) terminal.print(formatEvent(reader.event(cursor.event), cursor.event))
  terminal.print(stateText(reader.header.image, view).join('\n'))
  return EXIT.fine
}
