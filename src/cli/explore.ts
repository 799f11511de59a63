/**
 * `vtick explore`: the terminal explorer, or the same view as text where there is no terminal for it. Ink and React are loaded only
 * when the screen is wanted, and as their production builds.
 */

import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { Place } from '../query/position.ts'
import { isTooSmall, type Overlay } from '../tui/model.ts'
import { plainText } from '../tui/plain.ts'
import { themeFor } from '../tui/theme.ts'
import { openTraceSource, type TraceSource } from '../tui/trace-source.ts'
import { childCommands } from './child-commands.ts'
import { EXIT, type ExitCode, usageError } from './exit-codes.ts'
import { isDirectory } from './files.ts'
import type { Io } from './io.ts'
import { type LiveOptions, liveGuest } from './live-guest.ts'
import { marksFile } from './marks-file.ts'
import { loadOwnKeys } from './own-keys.ts'
import { placeIn, requireEvents } from './place-argument.ts'
import { runSlices } from './slices.ts'
import { isSourceName } from './source.ts'
import type { CommonOptions, Terminal } from './terminal.ts'
import { newestTraces, openRunnableTrace } from './trace-argument.ts'

export interface ExploreCommandOptions extends LiveOptions {
  readonly at?: string
  readonly filter?: string
  readonly plain?: boolean
  readonly ascii?: boolean
  readonly screenReader?: boolean
}

const BEGINNING: Place = { kind: 'event', index: 0 }

export async function exploreCommand(
  terminal: Terminal,
  file: string | undefined,
  options: ExploreCommandOptions,
  program: Command,
): Promise<ExitCode> {
  const trace = file !== undefined && isProgram(terminal, file) ? await runLive(terminal, file, options) : openSource(terminal, file)
  if (trace === null) return EXIT.interrupted
  const { reader, name } = trace
  try {
    checkFilter(trace, options.filter)
    const place = options.at === undefined ? BEGINNING : await placeIn(terminal, trace.timeline, { name, at: options.at })
    if (place === null) return EXIT.interrupted
    if (options.plain !== true && isInteractive(terminal, name, isListening(terminal.io, options)))
      return await onScreen(terminal, program, { trace, place, options })
    terminal.io.stdout.write(plainText(trace, place, options.filter))
    return EXIT.fine
  } finally {
    reader.close()
  }
}

function openSource(terminal: Terminal, file: string | undefined): TraceSource {
  const { name, reader } = openRunnableTrace(terminal, file)
  requireEvents(reader, name)
  return openTraceSource(reader, name)
}

/** A guest's source, or a flat binary; what cannot be read is for the opening of traces to tell. */
function isProgram({ io }: Terminal, file: string): boolean {
  const path = resolve(io.cwd, file)
  if (file === '-' || isDirectory(path) || statSync(path, { throwIfNoEntry: false }) === undefined) return false
  return isSourceName(file)
}

/** The source run to its end, or to its budget. */
async function runLive(terminal: Terminal, file: string, options: ExploreCommandOptions): Promise<TraceSource | null> {
  const run = liveGuest(terminal, file, options).start()
  const { value } = await runSlices(terminal, run.slices, { doing: `running ${file}` })
  return value === null ? null : run.open()
}

function checkFilter(trace: TraceSource, filter: string | undefined): void {
  const trouble = filter === undefined ? undefined : trace.select(filter).trouble
  if (trouble !== undefined) throw usageError(`--filter: ${trouble}`, '`vtick query --help` tells how filters are written')
}

/** `vtick diff A B --tui`: explores B, the screen of their differences in front. */
export async function exploreDiff(
  terminal: Terminal,
  files: readonly string[],
  options: CommonOptions,
  program: Command,
): Promise<ExitCode> {
  if (files.length === 1)
    throw usageError(`there is nothing to compare ${files[0]} with`, 'name two traces: `vtick diff A.vtrace B.vtrace --tui`')
  const [other = '', file = ''] = files.length === 0 ? newestTraces(terminal.io, 2) : files
  const { name, reader } = openRunnableTrace(terminal, file)
  try {
    if (!isInteractive(terminal, name)) throw usageError('--tui needs a terminal', 'leave it out for the differences as text')
    requireEvents(reader, name)
    const overlay = { screen: 'diff', at: 0, other: resolve(terminal.io.cwd, other), otherName: other, swapped: true } as const
    return await onScreen(terminal, program, { trace: openTraceSource(reader, name), place: BEGINNING, options, overlay })
  } finally {
    reader.close()
  }
}

/** Ink's own switch for screen readers is one, too. */
const isListening = ({ env }: Io, { screenReader }: Pick<ExploreCommandOptions, 'screenReader'>): boolean =>
  screenReader === true || env.INK_SCREEN_READER === 'true'

/** Keys must come from a terminal and the picture go to one that is big enough and can place a cursor; words need no more than a terminal. */
function isInteractive({ io }: Terminal, name: string, isSpoken = false): boolean {
  if (!io.stdout.isTerminal || !io.isStdinTerminal || name === '-') return false
  if (isSpoken) return true
  return io.env.TERM !== 'dumb' && !isTooSmall({ columns: process.stdout.columns, rows: process.stdout.rows })
}

interface Exploration {
  readonly trace: TraceSource
  readonly place: Place
  readonly options: Pick<ExploreCommandOptions, 'color' | 'ascii' | 'filter' | 'screenReader'>
  readonly overlay?: Overlay
}

async function onScreen({ io }: Terminal, program: Command, { trace, place, options, overlay }: Exploration): Promise<ExitCode> {
  loadOwnKeys(io)
  process.env.NODE_ENV = 'production'
  if (options.color === false) process.env.NO_COLOR = '1'
  const { explore } = await import('../tui/index.ts')
  const onEnd = (reopening: string): void => io.stderr.write(`vtick: to come back: ${reopening}\n`)
  const marks = trace.live === undefined && trace.name !== '-' ? { marks: marksFile(io, trace.name) } : {}
  const cli = childCommands(io, program, [process.execPath, ...process.execArgv, process.argv[1]!])
  const start = { cli, theme: themeFor(process.env), ascii: options.ascii === true, filter: options.filter ?? '', overlay: overlay ?? null }
  return (await explore(trace, place, { start, onEnd, isListening: isListening(io, options), ...marks })) === 'ctrl-c'
    ? EXIT.interrupted
    : EXIT.fine
}
