/** The trace that a command is about: the one named, or the newest in `.vtick/`, as rr takes its latest recording. */

import { mkdirSync, readdirSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { RunConfig } from '../session/config.ts'
import { otherMachine } from '../session/recorded-machine.ts'
import { configOf } from '../session/replay.ts'
import { openTrace, TraceFileError, type TraceReader } from '../trace/file.ts'
import { usageError } from './exit-codes.ts'
import { cannotRead, cannotWrite, errnoOf, firstBytes, isDirectory, readFileNamed } from './files.ts'
import type { Io } from './io.ts'
import { OWN_DIRECTORY } from './own-directory.ts'
import type { Terminal } from './terminal.ts'

const MAGIC = Uint8Array.of(0x89, 0x56, 0x54, 0x52, 0x41, 0x43, 0x45, 0x0a)

/** The traces in `.vtick/`, newest first. */
export function ownTraces(io: Io): string[] {
  const directory = resolve(io.cwd, OWN_DIRECTORY)
  if (!isDirectory(directory)) return []
  return readdirSync(directory)
    .filter(name => name.endsWith('.vtrace'))
    .map(name => ({ name: join(OWN_DIRECTORY, name), time: statSync(join(directory, name)).mtimeMs }))
    .sort((a, b) => b.time - a.time || (a.name < b.name ? 1 : -1))
    .map(({ name }) => name)
}

/** The `count` newest traces, oldest of them first. */
export function newestTraces(io: Io, count: number): string[] {
  const names = ownTraces(io).slice(0, count)
  if (names.length < count) {
    const missing =
      count === 1 ? 'no trace is named, and there is none in .vtick/' : 'no traces are named, and there are not two in .vtick/'
    throw usageError(missing, 'record one with `vtick run FILE --record T.vtrace`')
  }
  return names.reverse()
}

export interface NamedTrace {
  readonly name: string
  readonly reader: TraceReader
}

/** Opens the trace `name`, the newest one without it. Says so when it is cut short. */
export function openNamedTrace(terminal: Terminal, name = newestTraces(terminal.io, 1)[0]!): NamedTrace {
  const { io } = terminal
  const path = resolve(io.cwd, name)
  if (name !== '-' && isDirectory(path)) throw cannotRead(name, 'EISDIR')
  let reader: TraceReader
  try {
    reader = name === '-' ? openTrace(readFileNamed(io, name)) : openTrace(path)
  } catch (error) {
    const code = errnoOf(error)
    if (code !== undefined) throw cannotRead(name, code)
    if (error instanceof Error) error.message = error.message.replace(path, () => name)
    throw error
  }
  if (reader.truncated !== undefined)
    terminal.say(`${name}: ${reader.truncated}; what follows is about these; record the guest again for the rest`)
  return { name, reader }
}

/** Opens a trace that is to be run again. Says so when this vtick cannot go on from its states. */
export function openRunnableTrace(terminal: Terminal, name?: string): NamedTrace & { readonly config: RunConfig } {
  const trace = openRecordedTrace(terminal, name)
  const other = otherMachine(trace.reader)
  if (other !== null)
    terminal.say(
      `${trace.name}: recorded by a vtick of another machine (${other.what}); it runs anew from the start and may go otherwise: record it again, or keep to query, stat, diff and export`,
    )
  return trace
}

/** Opens a trace that is asked what it ran. */
export function openRecordedTrace(terminal: Terminal, name?: string): NamedTrace & { readonly config: RunConfig } {
  const trace = openNamedTrace(terminal, name)
  if (trace.reader.header.config.imported !== undefined)
    throw usageError(`${trace.name} was imported and holds no program`, '`vtick query` and `vtick diff` read it')
  try {
    return { ...trace, config: configOf(trace.reader) }
  } catch (error) {
    if (error instanceof TraceFileError) error.message = `${trace.name}: ${error.message}`
    throw error
  }
}

/** Makes sure that a trace may be written to `name`: not over something that is no trace, and into a directory that exists. */
export function prepareTracePlace(io: Io, name: string): string {
  const path = resolve(io.cwd, name)
  if (name.split(/[/\\]/)[0] === OWN_DIRECTORY) {
    try {
      mkdirSync(resolve(io.cwd, OWN_DIRECTORY), { recursive: true })
    } catch (error) {
      throw cannotWrite(OWN_DIRECTORY, errnoOf(error) ?? String(error))
    }
  }
  if (isDirectory(path)) throw cannotWrite(name, 'EISDIR')
  const found = statSync(path, { throwIfNoEntry: false })
  if (found?.isFile() && found.size > 0 && Buffer.compare(firstBytes(path, MAGIC.length), MAGIC) !== 0)
    throw usageError(`${name} exists and is not a trace`, 'name another file, or remove it first')
  return path
}
