/**
 * `vtick explore`: the terminal explorer, or the same view as text where there is no terminal for it. Ink and React are loaded only
 * when the screen is wanted, and as their production builds.
 */

import type { Place } from '../query/position.ts'
import { isTooSmall } from '../tui/model.ts'
import { plainText } from '../tui/plain.ts'
import { themeFor } from '../tui/theme.ts'
import { openTraceSource, type TraceSource } from '../tui/trace-source.ts'
import { EXIT, type ExitCode, usageError } from './exit-codes.ts'
import { placeIn } from './place-argument.ts'
import type { CommonOptions, Terminal } from './terminal.ts'
import { openRunnableTrace } from './trace-argument.ts'

export interface ExploreCommandOptions extends CommonOptions {
  readonly at?: string
  readonly filter?: string
  readonly plain?: boolean
  readonly ascii?: boolean
}

export async function exploreCommand(terminal: Terminal, file: string | undefined, options: ExploreCommandOptions): Promise<ExitCode> {
  const { name, reader } = openRunnableTrace(terminal, file)
  try {
    const place = placeIn(reader, name, options.at)
    const trace = openTraceSource(reader, name)
    checkFilter(trace, options.filter)
    if (options.plain !== true && isInteractive(terminal, name)) return await onScreen(terminal, trace, place, options)
    terminal.io.stdout.write(plainText(trace, place, options.filter))
    return EXIT.fine
  } finally {
    reader.close()
  }
}

function checkFilter(trace: TraceSource, filter: string | undefined): void {
  const trouble = filter === undefined ? undefined : trace.select(filter).trouble
  if (trouble !== undefined) throw usageError(`--filter: ${trouble}`, '`vtick query --help` tells how filters are written')
}

/** Keys must come from a terminal and the picture go to one that is big enough and can place a cursor. */
function isInteractive({ io }: Terminal, name: string): boolean {
  if (!io.stdout.isTerminal || !io.isStdinTerminal || name === '-') return false
  return io.env.TERM !== 'dumb' && !isTooSmall({ columns: process.stdout.columns, rows: process.stdout.rows })
}

async function onScreen({ io }: Terminal, trace: TraceSource, place: Place, options: ExploreCommandOptions): Promise<ExitCode> {
  process.env.NODE_ENV = 'production'
  if (options.color === false) process.env.NO_COLOR = '1'
  const { explore } = await import('../tui/index.ts')
  const onEnd = (reopening: string): void => io.stderr.write(`vtick: to come back: ${reopening}\n`)
  const start = { theme: themeFor(process.env), ascii: options.ascii === true, filter: options.filter ?? '' }
  return (await explore(trace, place, { start, onEnd })) === 'ctrl-c' ? EXIT.interrupted : EXIT.fine
}
