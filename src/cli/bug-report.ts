/** When we are wrong: one line for the user, and a file with what is needed to find out why. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { inspect } from 'node:util'
import type { Io } from './io.ts'
import { OWN_DIRECTORY } from './own-directory.ts'

const oneLine = (text: string): string => text.split('\n')[0]!.slice(0, 200)

/** The line to print. The stack is in it only with VTICK_DEBUG=1. */
export function reportBug(io: Io, argv: readonly string[], version: string, error: unknown): string {
  const { message, stack = '' } = error instanceof Error ? error : new Error(inspect(error))
  const name = join(OWN_DIRECTORY, 'bug-report.txt')
  const report = [
    `vtick ${version}, Node ${process.version}, ${process.platform} ${process.arch}`,
    `vtick ${argv.join(' ')}`,
    '',
    stack,
    '',
  ].join('\n')
  let next = `please send ${name} to its authors, with the program or trace`
  try {
    mkdirSync(resolve(io.cwd, OWN_DIRECTORY), { recursive: true })
    writeFileSync(resolve(io.cwd, name), report)
  } catch {
    next = 'run it again with VTICK_DEBUG=1 and send what it prints to its authors'
  }
  const line = `this is a mistake in vtick, not yours: ${oneLine(message)}; ${next}`
  return io.env.VTICK_DEBUG === '1' ? `${line}\n${stack}` : line
}
