/**
 * The commands of the command line, run from within: what takes a trace gets the one that is open. Each runs as a process of its own,
 * so that the screen never waits for it; what it prints is a screen, and closing that stops it.
 */

import { formatPosition } from '../query/position.ts'
import type { Model, Overlay } from './model.ts'

export interface CliCommand {
  readonly name: string
  readonly help: string
  /** As they are typed: `--json`. */
  readonly options: readonly string[]
  /** Its first argument is a trace. */
  readonly takesTrace: boolean
}

/** A run of one, while it goes on and after it. */
export interface CliRun {
  readonly lines: readonly string[]
  /** Undefined: it goes on. */
  readonly status: number | undefined
  /** Called when there is more to show. */
  onNews: (() => void) | null
  stop(): void
}

export interface CliRequest {
  readonly argv: readonly string[]
  /** What stdin holds: the trace, where it is in no file. */
  readonly input?: Uint8Array
  /** The file that takes what is printed. */
  readonly output?: string
}

export interface Cli {
  readonly commands: readonly CliCommand[]
  start(request: CliRequest): CliRun
  /** Writes a new trace, with its marks where there are any; a text is why it cannot be. */
  save(name: string, bytes: Uint8Array, marks: string): string | undefined
}

/** Commands that want the terminal for themselves. */
const ALONE: ReadonlySet<string> = new Set(['explore', 'gdb'])

const runs = new WeakMap<CliRequest, CliRun>()

/** The run that a screen is about; the same for the same request. */
export function cliRun({ cli, overlay }: Pick<Model, 'cli' | 'overlay'>): CliRun | undefined {
  const request = overlay?.request
  if (request === undefined || cli === null) return undefined
  const run = runs.get(request) ?? cli.start(request)
  runs.set(request, run)
  return run
}

/** Words as a shell takes them: blanks between, quotes around what holds blanks. */
export const shellWords = (text: string): readonly string[] =>
  [...text.matchAll(/(?:[^\s'"]|'[^']*'?|"[^"]*"?)+/g)].map(([word]) =>
    word.replace(/'([^']*)'?|"([^"]*)"?/g, (_, single, double) => single ?? double),
  )

const commandOf = ({ cli }: Pick<Model, 'cli'>, name: string): CliCommand | undefined =>
  cli?.commands.find(command => command.name === name)

export const isCliCommand = (model: Pick<Model, 'cli'>, name: string): boolean => commandOf(model, name) !== undefined

/** Runs a line such as `stat --by line` or `export --ftrace > t.txt`; a text is why it cannot be. */
export function runCli(model: Model, line: string): Model | string {
  const [name = '', ...rest] = shellWords(line)
  const command = commandOf(model, name)!
  if (ALONE.has(name)) return `${name} wants the terminal for itself: q, then \`vtick ${line}\``
  const to = rest.indexOf('>')
  const output = to < 0 ? undefined : rest[to + 1]
  if (to >= 0 && (output === undefined || rest.length > to + 2)) return 'one file name follows >'
  const { name: trace, bytes } = model.trace
  const words = to < 0 ? rest : rest.slice(0, to)
  // Where the command asks for a position and none is given it is the present one.
  const here = name === 'dump-vmcs' && words.length === 0 ? [formatPosition(model.place)] : []
  const request: CliRequest = {
    argv: [name, ...(command.takesTrace ? [bytes === undefined ? trace : '-'] : []), ...words, ...here],
    ...(bytes === undefined || !command.takesTrace ? {} : { input: bytes() }),
    ...(output === undefined ? {} : { output }),
  }
  const overlay: Overlay = { screen: 'output', at: 0, request, ...(model.overlay === null ? {} : { behind: model.overlay }) }
  return { ...model, overlay }
}
