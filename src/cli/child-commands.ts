/** The commands as the explorer runs them: this executable again, its output kept or sent to a file. */

import { spawn } from 'node:child_process'
import { createWriteStream, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Readable } from 'node:stream'
import type { Command } from 'commander'
import { marksFileOf } from '../query/marks.ts'
import type { Cli, CliCommand, CliRequest, CliRun } from '../tui/cli.ts'
import { cannotWrite, errnoOf } from './files.ts'
import type { Io } from './io.ts'

/** Arguments that are a trace, or may begin with one. */
const TRACE_ARGUMENTS = ['trace', 'traces', 'words']

const described = (command: Command): CliCommand => ({
  name: command.name(),
  help: command.description(),
  options: command.options.flatMap(({ long }) => (long && !long.endsWith('color') ? [long] : [])),
  takesTrace: TRACE_ARGUMENTS.includes(command.registeredArguments[0]?.name() ?? ''),
})

/** More lines than anybody reads; a file takes all of them. */
const MOST_LINES = 20_000

function save({ cwd }: Io, name: string, bytes: Uint8Array, marks: string): string | undefined {
  try {
    writeFileSync(resolve(cwd, name), bytes, { flag: 'wx' })
    if (marks !== '') writeFileSync(resolve(cwd, marksFileOf(name)), marks)
    return undefined
  } catch (error) {
    const code = errnoOf(error)
    if (code === undefined) throw error
    return code === 'EEXIST' ? `${name} is there already; name another file` : cannotWrite(name, code).message
  }
}

interface Running {
  lines: string[]
  status: number | undefined
  onNews: CliRun['onNews']
}

export const childCommands = (io: Io, program: Command, executable: readonly string[]): Cli => ({
  commands: program.commands.map(described),
  start: request => start(io, executable, request),
  save: (name, bytes, marks) => save(io, name, bytes, marks),
})

function start({ cwd, env }: Io, [node, ...before]: readonly string[], { argv, input, output }: CliRequest): CliRun {
  const run: Running = { lines: [], status: undefined, onNews: null }
  const news = (): void => run.onNews?.()
  const end = (status: number, ...words: readonly string[]): void => {
    run.lines.push(...words)
    run.status = status
    news()
  }
  const child = spawn(node!, [...before, ...argv], { cwd, env: { ...env, NO_COLOR: '1', FORCE_COLOR: undefined }, stdio: 'pipe' })
  takeLines(child.stderr, run, news)
  if (output === undefined) takeLines(child.stdout, run, news)
  else {
    const file = createWriteStream(resolve(cwd, output), { flags: 'wx' })
    file.on('error', error => {
      child.kill()
      const code = errnoOf(error) ?? String(error)
      end(2, code === 'EEXIST' ? `${output} is there already; name another file` : cannotWrite(output, code).message)
    })
    child.stdout.pipe(file)
  }
  child.stdin.on('error', () => {}) // who does not read it to its end needs no more
  child.stdin.end(input)
  child.on('error', error => end(70, error.message))
  child.on('close', (code, signal) => {
    if (run.status === undefined)
      end(code ?? 130, ...(signal === null ? (output === undefined ? [] : [`written to ${output}`]) : ['stopped']))
  })
  return Object.assign(run, { stop: () => void child.kill() })
}

/** Whole lines as they come, and what stands behind the last of them. */
function takeLines(stream: Readable, run: Running, news: () => void): void {
  let rest = ''
  const take = (lines: readonly string[]): void => {
    const room = MOST_LINES - run.lines.length
    run.lines.push(...lines.slice(0, Math.max(0, room)))
    if (room > 0 && lines.length > room) run.lines.push('... and more; `> FILE` behind the command takes all of it')
    news()
  }
  stream.setEncoding('utf8')
  stream.on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop()!
    take(lines)
  })
  stream.on('end', () => take(rest === '' ? [] : [rest]))
}
