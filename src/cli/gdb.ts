/** `vtick gdb`: a recording behind gdb's remote protocol, on stdin and stdout or on a port of this machine. */

import { createServer } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { monitorOf } from '../gdb/monitor.ts'
import { type GdbHost, GdbSession } from '../gdb/session.ts'
import { openTimeline, type Timeline } from '../session/timeline.ts'
import { EXIT, type ExitCode, UserError, usageError } from './exit-codes.ts'
import type { Io } from './io.ts'
import type { CommonOptions, Terminal } from './terminal.ts'
import { openRunnableTrace } from './trace-argument.ts'

/** Runs a command line of ours. */
type Main = (argv: readonly string[], io: Io) => Promise<ExitCode>

export interface GdbCommandOptions extends CommonOptions {
  readonly port?: number
  readonly main: Main
}

/** Both directions of a connection to gdb. */
interface Connection {
  readonly input: NodeJS.ReadableStream
  readonly output: NodeJS.WritableStream
}

export async function gdbCommand(terminal: Terminal, file: string | undefined, { port, main }: GdbCommandOptions): Promise<ExitCode> {
  const { name, reader } = openRunnableTrace(terminal, file)
  try {
    if (reader.keyframeCount === 0) throw usageError(`${name} holds nothing to look at`, 'record the guest again')
    const connection = port === undefined ? { input: process.stdin, output: process.stdout } : await accept(terminal, port)
    const timeline = openTimeline(reader)
    await serve(
      connection,
      timeline,
      monitorOf(timeline, argv => capture(main, [argv[0]!, name, ...argv.slice(1)], terminal.io)),
    )
    return EXIT.fine
  } finally {
    reader.close()
  }
}

/** The first connection to a port of 127.0.0.1. */
function accept(terminal: Terminal, port: number): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const server = createServer(socket => {
      server.close()
      resolve({ input: socket, output: socket })
    })
    server.on('error', error => reject(new UserError(EXIT.usage, `port ${port}: ${error.message}`, 'choose another with --port')))
    server.listen(port, '127.0.0.1', () => terminal.say(`listening; in gdb: target remote 127.0.0.1:${port}`))
  })
}

async function serve({ input, output }: Connection, timeline: Timeline, monitor: GdbHost['monitor']): Promise<void> {
  const session = new GdbSession(timeline, {
    send: text => void output.write(Buffer.from(text, 'latin1')),
    breathe: () => setImmediate(),
    monitor,
  })
  await new Promise<void>(resolve => {
    input.on('data', (bytes: Buffer) => {
      void session.receive(bytes).then(() => {
        if (session.isOver) resolve()
      })
    })
    input.on('end', resolve)
    input.on('error', () => resolve())
    output.on('error', () => resolve()) // gdb has gone
  })
  if ('destroy' in input && typeof input.destroy === 'function') input.destroy()
}

/** What a command of ours prints. */
async function capture(main: Main, argv: readonly string[], io: Io): Promise<string> {
  const parts: Buffer[] = []
  const output = { isTerminal: false, write: (data: string | Uint8Array) => void parts.push(Buffer.from(data)) }
  await main(argv, { ...io, stdout: output, stderr: output })
  return Buffer.concat(parts).toString()
}
