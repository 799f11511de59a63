/** gdb at a port of 127.0.0.1: the first one is served, whoever comes later is told so. */

import { createServer, type Socket } from 'node:net'
import { packet } from '../gdb/packets.ts'
import { EXIT, UserError } from './exit-codes.ts'
import { errnoOf } from './files.ts'
import type { Terminal } from './terminal.ts'

/** Both directions of a connection to gdb. */
export interface Connection {
  readonly input: NodeJS.ReadableStream
  readonly output: NodeJS.WritableStream
}

const REASONS: Readonly<Record<string, string>> = { EADDRINUSE: 'is in use', EACCES: 'may not be listened on' }

/** Null: `stop` came first. */
export function acceptGdb(terminal: Terminal, port: number, stop: AbortSignal): Promise<Connection | null> {
  return new Promise((resolve, reject) => {
    const sockets = new Set<Socket>()
    const close = (): void => {
      server.close()
      for (const socket of sockets) socket.destroy()
    }
    const server = createServer(socket => {
      socket.on('error', () => {}) // it has gone; `end` and `close` tell
      if (sockets.size > 0) refuse(socket, terminal)
      else socket.once('close', close)
      sockets.add(socket)
      resolve({ input: socket, output: socket })
    })
    stop.addEventListener('abort', () => {
      if (sockets.size === 0) server.close()
      resolve(null)
    })
    server.on('error', error => {
      const code = errnoOf(error) ?? ''
      reject(new UserError(EXIT.usage, `port ${port} ${REASONS[code] ?? `cannot be listened on: ${code}`}`, 'choose another with --port'))
    })
    server.listen(port, '127.0.0.1', () => {
      const address = server.address()
      const actual = typeof address === 'object' && address !== null ? address.port : port
      terminal.say(`listening; in gdb: target remote 127.0.0.1:${actual}`)
    })
  })
}

/** gdb prints what follows `E.` when its first packet is answered so. */
function refuse(socket: Socket, terminal: Terminal): void {
  terminal.say('another gdb wanted in, and was refused: one is connected')
  socket.once('data', () => socket.end(Buffer.from(`+${packet('E.another gdb is connected to this vtick')}`, 'latin1')))
}
