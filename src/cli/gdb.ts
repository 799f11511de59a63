/** `vtick gdb`: a recording behind gdb's remote protocol, on stdin and stdout or on a port of this machine. */

import { createServer } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { GdbSession } from '../gdb/session.ts'
import { POSITION_FORMS, parsePosition, resolvePosition } from '../query/position.ts'
import { openTimeline, type Place, type Timeline } from '../session/timeline.ts'
import type { TraceReader } from '../trace/file.ts'
import { EXIT, type ExitCode, UserError, usageError } from './exit-codes.ts'
import type { Io } from './io.ts'
import type { CommonOptions, Terminal } from './terminal.ts'
import { openRunnableTrace } from './trace-argument.ts'

export interface GdbCommandOptions extends CommonOptions {
  readonly port?: number
}

/** Both directions of a connection to gdb. */
interface Connection {
  readonly input: NodeJS.ReadableStream
  readonly output: NodeJS.WritableStream
}

export async function gdbCommand(terminal: Terminal, file: string | undefined, { port }: GdbCommandOptions): Promise<ExitCode> {
  const { name, reader } = openRunnableTrace(terminal, file)
  try {
    if (reader.keyframeIndex.length === 0) throw usageError(`${name} holds nothing to look at`, 'record the guest again')
    const connection = port === undefined ? { input: process.stdin, output: process.stdout } : await accept(terminal, port)
    await serve(connection, terminal, name, reader)
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

async function serve({ input, output }: Connection, terminal: Terminal, name: string, reader: TraceReader): Promise<void> {
  const timeline = openTimeline(reader)
  const session = new GdbSession(timeline, {
    send: text => void output.write(Buffer.from(text, 'latin1')),
    breathe: () => setImmediate(),
    monitor: (line, place) => monitor(line, terminal.io, name, timeline, place),
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

interface Answer {
  readonly text: string
  readonly place?: Place
}

const MONITOR_COMMANDS = ['stat', 'info', 'query', 'replay'] as const

const HELP = `goto POSITION   where to stand: ${POSITION_FORMS}
where           the place: instructions retired, the next event
${MONITOR_COMMANDS.join(', ')}   as vtick's commands, about this trace
`

/** A line after `monitor`. */
async function monitor(line: string, io: Io, name: string, timeline: Timeline, place: Place): Promise<Answer> {
  const [command = '', ...words] = line.match(/"[^"]*"|'[^']*'|\S+/g)?.map(word => word.replace(/^(["'])(.*)\1$/, '$2')) ?? []
  if (command === 'goto') return goTo(words[0] ?? '', timeline)
  if (command === 'where') return { text: where(timeline, place) }
  if ((MONITOR_COMMANDS as readonly string[]).includes(command)) return { text: await capture([command, name, ...words], io) }
  return { text: HELP }
}

function goTo(text: string, timeline: Timeline): Answer {
  const { reader } = timeline
  const position = parsePosition(text)
  const place = position && resolvePosition(position, reader.count)
  if (place === undefined) return { text: `\`${text}\` is no position here: write ${POSITION_FORMS}\n` }
  const { instructions, eventIndex } = timeline.atMoment(
    place.kind === 'event'
      ? { instructions: timeline.instructionOfEvent(place.index), events: place.index }
      : { instructions: place.count, events: 0 },
  )
  const here = { instructions, events: eventIndex }
  return {
    text: `${where(timeline, here)}until the next stop gdb shows the old place: \`maintenance flush register-cache\`\n`,
    place: here,
  }
}

function where(timeline: Timeline, place: Place): string {
  const { instructions, eventIndex, tick } = timeline.atMoment(place)
  return `${instructions} instructions retired, next event #${eventIndex}, tick ${tick}\n`
}

/** What a command of ours prints. */
async function capture(argv: readonly string[], io: Io): Promise<string> {
  const { main } = await import('./program.ts')
  const parts: Buffer[] = []
  const output = { isTerminal: false, write: (data: string | Uint8Array) => void parts.push(Buffer.from(data)) }
  await main(argv, { ...io, stdout: output, stderr: output })
  return Buffer.concat(parts).toString()
}
