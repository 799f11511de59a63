/** A guest's source under the explorer: assembled and recorded in memory, and again when its files have changed. */

import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { recordInSlices } from '../session/record.ts'
import { memorySink, openTrace, TraceFileError } from '../trace/file.ts'
import { type LiveGuest, type LiveRun, openTraceSource } from '../tui/trace-source.ts'
import { UserError, usageError } from './exit-codes.ts'
import { readFileNamed } from './files.ts'
import type { RunCommandOptions } from './run.ts'
import { runConfigOf } from './run-config.ts'
import { loadProgram } from './source.ts'
import type { Terminal } from './terminal.ts'

export type LiveOptions = Omit<RunCommandOptions, 'record' | 'guestStatus' | 'print'> & {
  /** The options as they were typed, for the command that comes back. */
  readonly words?: readonly string[]
}

/** When a file was written last; 0 where it is gone. */
const timeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0

/** What the console receives: the keyboard is the explorer's. */
function inputOf({ io }: Terminal, { stdin }: LiveOptions): Uint8Array {
  if (stdin === undefined) return new Uint8Array()
  if (stdin === '-' && io.isStdinTerminal)
    throw usageError('--stdin - is the keyboard, which is the explorer’s', 'put what the guest is to read into a file')
  return readFileNamed(io, stdin)
}

export function liveGuest(terminal: Terminal, file: string, options: LiveOptions): LiveGuest & { start(): LiveRun } {
  let times = new Map<string, number>()
  const start = (words: Terminal = terminal): LiveRun => {
    const { image, inputs } = loadProgram(words, file, options)
    times = new Map(inputs.map(name => resolve(terminal.io.cwd, name)).map(path => [path, timeOf(path)]))
    const sink = memorySink()
    const input = inputOf(terminal, options)
    const slices = recordInSlices(runConfigOf(words, file, image, options), image, { sink, maxInstructions: options.maxInsns, input })
    return { slices, open: () => ({ ...openTraceSource(openTrace(sink.bytes()), file), bytes: sink.bytes, live }) }
  }
  const live: LiveGuest = {
    words: options.words ?? [],
    isStale: () => [...times].some(([path, time]) => timeOf(path) !== time),
    begin: () => quietly(terminal, start),
  }
  return { ...live, start: () => start() }
}

/** What would be printed comes back as one line. */
function quietly(terminal: Terminal, start: (words: Terminal) => LiveRun): LiveRun | string {
  const said: string[] = []
  const stderr = { isTerminal: false, write: (data: string | Uint8Array) => void said.push(String(data)) }
  const note = (words: string): void => void said.push(words)
  try {
    return start({ ...terminal, io: { ...terminal.io, stderr }, say: note, complain: note })
  } catch (error) {
    if (!(error instanceof UserError) && !(error instanceof TraceFileError)) throw error
    return (
      said
        .join('\n')
        .split('\n')
        .find(line => line.includes('error')) ?? error.message
    )
  }
}
