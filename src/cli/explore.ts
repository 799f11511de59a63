/**
 * `vtick explore`: the terminal explorer, or the same view as text where there is no terminal for it. Ink and React are loaded only
 * when the screen is wanted, and as their production builds.
 */

import type { Place } from '../query/position.ts'
import { isTooSmall } from '../tui/model.ts'
import { plainText } from '../tui/plain.ts'
import { openTraceSource, type TraceSource } from '../tui/trace-source.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import { placeIn } from './place-argument.ts'
import type { CommonOptions, Terminal } from './terminal.ts'
import { openRunnableTrace } from './trace-argument.ts'

export interface ExploreCommandOptions extends CommonOptions {
  readonly at?: string
  readonly plain?: boolean
}

export async function exploreCommand(terminal: Terminal, file: string | undefined, options: ExploreCommandOptions): Promise<ExitCode> {
  const { name, reader } = openRunnableTrace(terminal, file)
  try {
    const place = placeIn(reader, name, options.at)
    const trace = openTraceSource(reader, name)
    if (options.plain !== true && isInteractive(terminal, name)) return await onScreen(terminal, trace, place, options.color)
    terminal.io.stdout.write(plainText(trace, place))
    return EXIT.fine
  } finally {
    reader.close()
  }
}

/** Keys must come from a terminal and the picture go to one that is big enough and can place a cursor. */
function isInteractive({ io }: Terminal, name: string): boolean {
  if (!io.stdout.isTerminal || !io.isStdinTerminal || name === '-') return false
  return io.env.TERM !== 'dumb' && !isTooSmall({ columns: process.stdout.columns, rows: process.stdout.rows })
}

async function onScreen({ io }: Terminal, trace: TraceSource, place: Place, color: boolean | undefined): Promise<ExitCode> {
  process.env.NODE_ENV = 'production'
  if (color === false) process.env.NO_COLOR = '1'
  const { explore } = await import('../tui/index.ts')
  const reopen = (at: string): void => io.stderr.write(`vtick: to come back: vtick explore ${shellWord(trace.name)} --at '${at}'\n`)
  return (await explore(trace, place, reopen)) === 'ctrl-c' ? EXIT.interrupted : EXIT.fine
}

/** A file name as a shell takes it. */
const shellWord = (text: string): string => (/^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`)
