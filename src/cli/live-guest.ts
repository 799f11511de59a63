/** A guest's source under the explorer: assembled and recorded in memory, and again when its files have changed. */

import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { recordInSlices } from '../session/record.ts'
import { memorySink, openTrace, TraceFileError } from '../trace/file.ts'
import { type LiveGuest, type LiveRun, openTraceSource } from '../tui/trace-source.ts'
import { UserError } from './exit-codes.ts'
import type { RunCommandOptions } from './run.ts'
import { runConfigOf } from './run-config.ts'
import { loadProgram } from './source.ts'
import type { Terminal } from './terminal.ts'

export type LiveOptions = Pick<RunCommandOptions, 'define' | 'include' | 'param' | 'level' | 'bare' | 'color'> & {
  readonly maxInsns: number
}

/** The options again, for the command that comes back. */
const wordsOf = ({ define = {}, include = [], param = {}, level = 'L1', bare }: LiveOptions): readonly string[] => [
  ...Object.entries(define).flatMap(([name, value]) => ['-D', `${name}=${value}`]),
  ...include.flatMap(folder => ['-I', folder]),
  ...Object.entries(param).flatMap(([name, value]) => ['--param', `${name}=${Number(value)}`]),
  ...(level === 'L2' ? ['--level', 'L2'] : []),
  ...(bare === true ? ['--bare'] : []),
]

/** When a file was written last; 0 where it is gone. */
const timeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0

export function liveGuest(terminal: Terminal, file: string, options: LiveOptions): LiveGuest & { start(): LiveRun } {
  let times = new Map<string, number>()
  const start = (words: Terminal = terminal): LiveRun => {
    const { image, inputs } = loadProgram(words, file, options)
    times = new Map(inputs.map(name => resolve(terminal.io.cwd, name)).map(path => [path, timeOf(path)]))
    const sink = memorySink()
    const slices = recordInSlices(runConfigOf(words, file, image, options), image, { sink, maxInstructions: options.maxInsns })
    return { slices, open: () => ({ ...openTraceSource(openTrace(sink.bytes()), file), bytes: sink.bytes, live }) }
  }
  const live: LiveGuest = {
    words: wordsOf(options),
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
