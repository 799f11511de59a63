/**
 * `vtick gdb`: a recording behind gdb's remote protocol, on stdin and stdout or on a port of this machine. A program is recorded first,
 * into `.vtick/`.
 */

import { basename, resolve } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { monitorOf } from '../gdb/monitor.ts'
import { type Architecture, registersOf } from '../gdb/registers.ts'
import { type GdbHost, GdbSession } from '../gdb/session.ts'
import { recordInSlices } from '../session/record.ts'
import { openTimeline } from '../session/timeline.ts'
import type { TraceReader } from '../trace/file.ts'
import { isElf } from '../vmm/loaders/elf.ts'
import { EXIT, type ExitCode, usageError } from './exit-codes.ts'
import { firstBytes, isDirectory } from './files.ts'
import { acceptGdb, type Connection } from './gdb-port.ts'
import type { Io } from './io.ts'
import { OWN_DIRECTORY } from './own-directory.ts'
import type { RunCommandOptions } from './run.ts'
import { runConfigOf } from './run-config.ts'
import { runSlices } from './slices.ts'
import { fileKind, loadProgram } from './source.ts'
import type { Terminal } from './terminal.ts'
import { openRunnableTrace, prepareTracePlace } from './trace-argument.ts'
import { openSink } from './trace-sink.ts'

/** Runs a command line of ours. */
type Main = (argv: readonly string[], io: Io) => Promise<ExitCode>

export interface GdbCommandOptions extends RunCommandOptions {
  readonly port?: number
  readonly arch?: 'x86-64' | 'i386' | 'i8086'
  readonly main: Main
}

/** How often Ctrl-C is looked for. */
const INTERRUPT_MS = 200

/** What the kind of a file is told by. */
const MAGIC_BYTES = 4096

export async function gdbCommand(terminal: Terminal, file: string | undefined, options: GdbCommandOptions): Promise<ExitCode> {
  const recorded = file !== undefined && isProgram(terminal, file) ? await recordProgram(terminal, file, options) : file
  if (recorded === null) return EXIT.interrupted
  const { name, reader } = openRunnableTrace(terminal, recorded)
  try {
    if (reader.keyframeCount === 0) throw usageError(`${name} holds nothing to look at`, 'record the guest again')
    const { port, arch, main } = options
    const stop = new AbortController()
    const timer = setInterval(() => void terminal.io.breathe().then(isInterrupted => isInterrupted && stop.abort()), INTERRUPT_MS)
    const timeline = openTimeline(reader)
    const run = (argv: readonly string[]): Promise<string> => capture(main, [argv[0]!, name, ...argv.slice(1)], terminal.io)
    try {
      const connection =
        port === undefined ? { input: process.stdin, output: process.stdout } : await acceptGdb(terminal, port, stop.signal)
      if (connection === null) return EXIT.interrupted
      const registers = registersOf(arch === undefined ? architectureOf(reader) : GDB_NAMES[arch])
      await serve(connection, stop.signal, new GdbSession(timeline, hostOf(connection, monitorOf(timeline, run)), registers))
      return stop.signal.aborted ? EXIT.interrupted : EXIT.fine
    } finally {
      clearInterval(timer)
    }
  } finally {
    reader.close()
  }
}

const GDB_NAMES = { 'x86-64': 'i386:x86-64', i386: 'i386', i8086: 'i8086' } as const satisfies Record<string, Architecture>

const ELFCLASS64 = 2

/** By how the program starts: what QEMU's x86_64 and i386 machines offer. A kernel of 64-bit ELF has symbols for 64-bit mode. */
export function architectureOf({ header }: Pick<TraceReader, 'header'>): Architecture {
  const { bytes } = header.image
  const { kind } = (header.config as unknown as { readonly boot: { readonly kind: string } }).boot
  if (kind === 'long' || kind === 'linux' || (isElf(bytes) && bytes[4] === ELFCLASS64)) return 'i386:x86-64'
  return kind === 'protected' ? 'i386' : 'i8086'
}

/** Not a trace. What cannot be read is for the opening of traces to tell. */
function isProgram({ io }: Terminal, file: string): boolean {
  const path = resolve(io.cwd, file)
  if (file === '-' || isDirectory(path)) return false
  try {
    return fileKind(file, firstBytes(path, MAGIC_BYTES)) !== 'trace'
  } catch {
    return false
  }
}

/** The name of the recording; null: interrupted before there was one. */
async function recordProgram(terminal: Terminal, file: string, options: GdbCommandOptions): Promise<string | null> {
  const { image } = loadProgram(terminal, file, options)
  const name = `${OWN_DIRECTORY}/${basename(file).replace(/\.[^.]*$/, '')}.vtrace`
  const slices = recordInSlices(runConfigOf(terminal, file, image, options), image, {
    sink: openSink(prepareTracePlace(terminal.io, name), name),
    maxInstructions: options.maxInsns,
  })
  const { value } = await runSlices(terminal, slices, { doing: `running ${file}` })
  if (value === null) return null
  terminal.say(`recorded ${file} to ${name}, ended by ${value.end.reason}`)
  return name
}

const hostOf = ({ output }: Connection, monitor: GdbHost['monitor']): GdbHost => ({
  send: text => void output.write(Buffer.from(text, 'latin1')),
  breathe: () => setImmediate(),
  monitor,
})

/** Until gdb leaves, its connection breaks, or somebody stops us; what runs for it then is given up. */
async function serve({ input, output }: Connection, stop: AbortSignal, session: GdbSession): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const finish = (): void => {
      if (session.isOver && session.isIdle) resolve()
    }
    const hangUp = (): void => {
      session.hangUp()
      finish()
    }
    input.on('data', (bytes: Buffer) => void session.receive(bytes).then(finish, reject))
    for (const event of ['end', 'error', 'close']) input.on(event, hangUp)
    output.on('error', hangUp) // gdb has gone
    stop.addEventListener('abort', hangUp)
  })
  if (output !== process.stdout) output.end()
  if (input === process.stdin) process.stdin.destroy()
}

/** What a command of ours prints. */
async function capture(main: Main, argv: readonly string[], io: Io): Promise<string> {
  const parts: Buffer[] = []
  const output = { isTerminal: false, write: (data: string | Uint8Array) => void parts.push(Buffer.from(data)) }
  await main(argv, { ...io, stdout: output, stderr: output })
  return Buffer.concat(parts).toString()
}
