/** What the files of commands share: the program that they add to, and words of their help. */

import type { Command } from 'commander'
import type { ExitCode } from '../exit-codes.ts'
import type { Io } from '../io.ts'
import type { CommonOptions, Terminal } from '../terminal.ts'
import { gather, parseDefine } from '../values.ts'

/** Opens the terminal for a command, with the colours its options ask for. */
export type OpenTerminal = (options: CommonOptions) => Terminal

/** What a command comes to is kept for the process's exit code. */
export interface CommandHost {
  readonly program: Command
  /** The words that are being carried out. */
  readonly commandLine: () => readonly string[]
  readonly open: OpenTerminal
  /** Runs another command line. */
  readonly main: (argv: readonly string[], io: Io) => Promise<ExitCode>
  finish(code: ExitCode): void
}

export const NEWEST = 'a trace; the newest in .vtick/ if absent'

/** What every command that assembles takes. */
export const addSourceOptions = (command: Command): Command =>
  command
    .option('-D, --define <name=value>', 'define a name, as %define does (repeatable)', parseDefine)
    .option('-I, --include <dir>', 'look for included files there too (repeatable)', gather)
