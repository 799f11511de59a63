/** One command line from its words to an exit code. Whatever goes wrong becomes one line on stderr, and never a stack trace. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command, CommanderError } from 'commander'
import { addCommands } from './commands.ts'
import { EXIT, type ExitCode, UserError } from './exit-codes.ts'
import { PACKAGE_ROOT } from './files.ts'
import type { Io } from './io.ts'
import { openTerminal, type Terminal } from './terminal.ts'

const packageVersion = (): string => (JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8')) as { version: string }).version

/** Runs a command line; never throws. */
export async function main(argv: readonly string[], io: Io): Promise<ExitCode> {
  let terminal = openTerminal(io, undefined)
  let code: ExitCode = EXIT.fine
  const program = new Command('vtick')
    .description('Assemble a small x86 guest, run it under an emulated KVM, record, replay and compare what happened.')
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help for a command')
    .exitOverride()
    .configureOutput({
      writeOut: text => io.stdout.write(text),
      writeErr: text => io.stderr.write(text),
      outputError: () => {}, // `explain` says it
    })
  addCommands({
    program,
    main,
    commandLine: () => argv,
    open: ({ color }) => {
      terminal = openTerminal(io, color)
      return terminal
    },
    finish: result => {
      code = result
    },
  })
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return code
  } catch (error) {
    const command = program.commands.find(candidate => candidate.name() === argv[0])?.name()
    return explain(error, argv, terminal, command)
  }
}

/** Says what went wrong; returns its exit code. */
async function explain(error: unknown, argv: readonly string[], terminal: Terminal, command: string | undefined): Promise<ExitCode> {
  if (error instanceof CommanderError) return explainUsage(error, terminal, command)
  if (error instanceof UserError) {
    terminal.complain(error.message)
    return error.code
  }
  const { TraceFileError } = await import('../trace/trace-file-error.ts')
  if (error instanceof TraceFileError) {
    terminal.complain(error.message)
    return EXIT.badTrace
  }
  const { reportBug } = await import('./bug-report.ts')
  terminal.complain(reportBug(terminal.io, argv, packageVersion(), error))
  return EXIT.ourBug
}

function explainUsage(error: CommanderError, terminal: Terminal, command: string | undefined): ExitCode {
  if (error.exitCode === 0) return EXIT.fine
  if (error.code === 'commander.help') return EXIT.usage // the help is printed already
  const what = error.message
    .replace(/^error: /, '')
    .replace(/\n\(Did you mean /, ' (did you mean ')
    .replace(/\.$/, '')
  terminal.complain(`${what}; see \`vtick ${command === undefined ? '' : `${command} `}--help\``)
  return EXIT.usage
}
