/** `vtick ls`: the traces in `.vtick/`, newest first. */

import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { openTrace, TraceFileError } from '../trace/file.ts'
import { groupedNumber, textTable } from '../trace/table.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import type { ReadingOptions, Terminal } from './terminal.ts'
import { ownTraces } from './trace-argument.ts'

interface Listed {
  readonly name: string
  readonly bytes: number
  /** Null where the file is no whole trace; `trouble` says why. */
  readonly events: number | null
  readonly program: string
  readonly end: string
  readonly trouble: string | null
}

function listed(cwd: string, name: string): Listed {
  const path = resolve(cwd, name)
  const { size: bytes } = statSync(path)
  try {
    const reader = openTrace(path)
    const { end, count: events, truncated } = reader
    const program = reader.header.image.sources[0]?.file ?? 'a flat binary'
    reader.close()
    return { name, bytes, events, program, end: end?.reason ?? 'not recorded', trouble: truncated ?? null }
  } catch (error) {
    if (!(error instanceof TraceFileError)) throw error
    return { name, bytes, events: null, program: '', end: '', trouble: error.message.replace(`${path}: `, '') }
  }
}

export function lsCommand(terminal: Terminal, { json = false }: ReadingOptions): ExitCode {
  const traces = ownTraces(terminal.io).map(name => listed(terminal.io.cwd, name))
  if (json) {
    terminal.print(JSON.stringify({ version: 1, traces }, null, 2))
    return EXIT.fine
  }
  if (traces.length === 0) {
    terminal.say('no traces in .vtick/; record one with `vtick run FILE --record .vtick/T.vtrace`')
    return EXIT.fine
  }
  const rows = traces.map(({ name, bytes, events, program, end, trouble }) => [
    name,
    program,
    end,
    groupedNumber(bytes),
    events === null ? '' : groupedNumber(events),
    trouble ?? '',
  ])
  terminal.print(textTable([['trace', 'program', 'end', 'bytes', 'events'], ...rows], 3))
  return EXIT.fine
}
