/** `vtick export`: a trace for other tools: ftrace text, Perfetto's JSON, JSON lines. */

import { eventJson } from '../trace/event-json.ts'
import { type FtraceClock, ftraceLines } from '../trace/export/ftrace.ts'
import { perfettoEvents } from '../trace/export/perfetto.ts'
import type { TraceReader } from '../trace/file.ts'
import { EXIT, type ExitCode, usageError } from './exit-codes.ts'
import type { CommonOptions, Terminal } from './terminal.ts'
import { openRecordedTrace } from './trace-argument.ts'

export interface ExportCommandOptions extends CommonOptions {
  readonly ftrace?: boolean
  readonly perfetto?: boolean
  readonly jsonl?: boolean
  readonly clock?: FtraceClock
}

const FORMATS = ['ftrace', 'perfetto', 'jsonl'] as const

export function exportCommand(terminal: Terminal, file: string | undefined, options: ExportCommandOptions): ExitCode {
  const wanted = FORMATS.filter(format => options[format])
  if (wanted.length !== 1) throw usageError('one format is wanted', 'add --ftrace, --perfetto or --jsonl')
  if (options.clock !== undefined && !options.ftrace) throw usageError('--clock is for --ftrace', 'leave it out')
  const { reader, config } = openRecordedTrace(terminal, file)
  try {
    for (const line of lines(wanted[0]!, reader, config.machine.tscKhz, options.clock ?? 'local')) terminal.print(line)
    return EXIT.fine
  } finally {
    reader.close()
  }
}

function* lines(format: (typeof FORMATS)[number], reader: TraceReader, tscKhz: number, clock: FtraceClock): Generator<string> {
  switch (format) {
    case 'ftrace':
      return yield* ftraceLines(reader.events(), tscKhz, clock)
    case 'jsonl': {
      let index = 0
      for (const event of reader.events()) yield JSON.stringify(eventJson(event, index++))
      return
    }
    case 'perfetto': {
      yield '{"displayTimeUnit":"ns","traceEvents":['
      let before: string | undefined
      for (const event of perfettoEvents(reader.events(), tscKhz)) {
        if (before !== undefined) yield `${before},`
        before = JSON.stringify(event)
      }
      yield `${before ?? ''}]}`
    }
  }
}
