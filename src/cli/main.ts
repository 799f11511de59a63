#!/usr/bin/env node
/** The executable: this process's streams and arguments, and nothing else. */

import { EXIT } from './exit-codes.ts'
import { cannotWrite, errnoOf } from './files.ts'
import { processIo } from './io.ts'
import { main } from './program.ts'

/** A reader that went away, as `head` does, is no trouble; a full disk is; a terminal that is gone is a hangup. */
process.stdout.on('error', (error: Error) => {
  const code = errnoOf(error) ?? 'EIO'
  if (code === 'EPIPE') process.exit(EXIT.fine)
  if (code === 'EIO' && process.stdout.isTTY) return void process.kill(process.pid, 'SIGHUP')
  process.stderr.write(`vtick: ${cannotWrite('to stdout', code).message}\n`)
  process.exit(EXIT.usage)
})
process.stderr.on('error', () => {})

process.exitCode = await main(process.argv.slice(2), processIo())
