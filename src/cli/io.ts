/**
 * What a command touches of the world outside: the two output streams, stdin, the working directory, the environment, and Ctrl-C.
 * The process's own for people, a recording one for tests.
 */

import { readFileSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { EXIT } from './exit-codes.ts'

export interface Output {
  readonly isTerminal: boolean
  write(data: string | Uint8Array): void
}

export interface Io {
  readonly cwd: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdout: Output
  readonly stderr: Output
  /** Everything that stdin holds. */
  readStdin(): Uint8Array
  readonly isStdinTerminal: boolean
  /** Lets the process attend to signals and timers; whether Ctrl-C was pressed. */
  breathe(): Promise<boolean>
}

const outputOf = (stream: NodeJS.WriteStream): Output => ({
  isTerminal: stream.isTTY === true,
  write: data => void stream.write(data),
})

export function processIo(): Io {
  let listening = false
  let interrupted = false
  return {
    cwd: process.cwd(),
    env: process.env,
    stdout: outputOf(process.stdout),
    stderr: outputOf(process.stderr),
    readStdin: () => readFileSync(0),
    isStdinTerminal: process.stdin.isTTY === true,
    async breathe() {
      if (!listening) {
        listening = true
        process.on('SIGINT', () => {
          if (interrupted) process.exit(EXIT.interrupted) // who presses twice will not wait
          interrupted = true
        })
      }
      await setImmediate()
      return interrupted
    },
  }
}
