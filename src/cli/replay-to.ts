/** `vtick replay --to POSITION --until EXPRESSION`: the state of a recorded run at a place, or where something becomes true behind it. */

import { hex } from '../base/u64.ts'
import { FilterError, troubleIn } from '../query/filter-fields.ts'
import { stopOf } from '../session/expression-stop.ts'
import { openTimeline, type Timeline, type TimelineView } from '../session/timeline.ts'
import { guestRegisters, guestTimer, levelOf } from '../session/timeline-guest.ts'
import { symbolsOf } from '../session/timeline-symbols.ts'
import { type Arrival, type Cursor, continueForward, START, type Stop } from '../session/travel.ts'
import { sourceOf } from '../session/why/chain.ts'
import { GPR_NAMES } from '../spec/registers.ts'
import { formatEvent } from '../trace/format.ts'
import { cursorIn } from './cursor-argument.ts'
import { EXIT, type ExitCode, usageError } from './exit-codes.ts'
import { runSlices, waiting } from './slices.ts'
import type { Terminal } from './terminal.ts'
import { openRunnableTrace } from './trace-argument.ts'

export interface ReplayToOptions {
  readonly to?: string
  readonly until?: string
  readonly param?: unknown
  readonly set?: unknown
}

export async function replayTo(
  terminal: Terminal,
  file: string | undefined,
  { to, until, param, set }: ReplayToOptions,
): Promise<ExitCode> {
  if (param !== undefined || set !== undefined)
    throw usageError('--to and --until look at the recorded run, --param and --set make another', 'leave one of the two out')
  const { name, reader } = openRunnableTrace(terminal, file)
  try {
    const timeline = openTimeline(reader)
    const start = to === undefined ? START : await cursorIn(terminal, timeline, { name, at: to })
    if (start === null) return EXIT.interrupted
    if (until === undefined) return show(terminal, timeline, start)
    const arrival = await arriveAt(terminal, timeline, start, stopNamed(timeline, until))
    if (arrival === null) return EXIT.interrupted
    if (arrival.reason.kind !== 'stop') {
      terminal.complain(`${name}: \`${until}\` never comes true behind ${to ?? 'the beginning'}`)
      return EXIT.no
    }
    return show(terminal, timeline, arrival.event === undefined ? arrival.place : { ...arrival.place, event: arrival.event })
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

function show(terminal: Terminal, timeline: Timeline, cursor: Cursor): ExitCode {
  const view = cursor.event === undefined ? timeline.atMoment(cursor) : timeline.atEvent(cursor.event)
  if (cursor.event !== undefined) terminal.print(formatEvent(timeline.reader.event(cursor.event), cursor.event))
  terminal.print(stateText(timeline, view).join('\n'))
  return EXIT.fine
}

const wide = (value: bigint): string => value.toString(16).padStart(16, '0')

/** The registers of the CPU whose turn it is, and the timer. */
export function stateText(timeline: Timeline, view: TimelineView): readonly string[] {
  const { gpr, rip, rflags, cr0, cr2, cr3, cr4, efer, cs, cpl } = guestRegisters(view)
  const { tsc, deadline, carrier } = guestTimer(view)
  const symbol = symbolsOf(timeline.reader.header.image).nameOf(rip)
  const source = sourceOf(timeline, rip)
  const at = [
    `i:${view.instructions}`,
    `next #${view.eventIndex}`,
    `cpu${view.cpu}`,
    `L${levelOf(view.machine, view.cpu)}`,
    `tsc ${hex(tsc)}`,
  ]
  const names = GPR_NAMES[64]
  const rows = [0, 4, 8, 12].map(first =>
    gpr
      .slice(first, first + 4)
      .map((value, i) => `${names[first + i]!.padEnd(3)} ${wide(value)}`)
      .join('  '),
  )
  return [
    at.join('  '),
    `rip ${wide(rip)}${symbol === undefined ? '' : `  ${symbol}`}${source === undefined ? '' : `  ${source.file}:${source.line}`}`,
    ...rows,
    `rflags ${hex(rflags)}  cs ${hex(cs)}  cpl ${cpl}  cr0 ${hex(cr0)}  cr2 ${hex(cr2)}  cr3 ${hex(cr3)}  cr4 ${hex(cr4)}  efer ${hex(efer)}`,
    `deadline ${hex(deadline)}  carried by ${carrier}`,
  ]
}
