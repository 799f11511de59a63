/** The commands about trace files. */

import { Option } from 'commander'
import type { ExportCommandOptions } from '../export.ts'
import type { ImportCommandOptions } from '../import.ts'
import type { ReadingOptions } from '../terminal.ts'
import { parseTscKhz } from '../values.ts'
import { type CommandHost, NEWEST } from './host.ts'

export function addFileCommands(host: CommandHost): void {
  addLs(host)
  addInfo(host)
  addCheck(host)
  addExport(host)
  addImport(host)
}

function addInfo({ program, open, finish }: CommandHost): void {
  program
    .command('info')
    .description('what a trace holds: program, configuration, size, end')
    .argument('[trace]', NEWEST)
    .option('--json', 'for programs')
    .action(async (file: string | undefined, options: ReadingOptions) => {
      const { infoCommand } = await import('../info.ts')
      finish(infoCommand(open(options), file, options))
    })
}

function addLs({ program, open, finish }: CommandHost): void {
  program
    .command('ls')
    .description('the traces in .vtick/, newest first')
    .option('--json', 'for programs')
    .action(async (options: ReadingOptions) => {
      const { lsCommand } = await import('../ls.ts')
      finish(lsCommand(open(options), options))
    })
}

function addCheck({ program, open, finish }: CommandHost): void {
  program
    .command('check')
    .description('whether a trace is whole: every checksum, the chain of hashes, every value; exit code 4 if not')
    .argument('[trace]', NEWEST)
    .option('--json', 'for programs')
    .action(async (file: string | undefined, options: ReadingOptions) => {
      const { checkCommand } = await import('../check.ts')
      finish(checkCommand(open(options), file, options))
    })
}

function addExport({ program, open, finish }: CommandHost): void {
  program
    .command('export')
    .description('a trace for other tools, on stdout')
    .argument('[trace]', NEWEST)
    .option('--ftrace', "the kernel's tracepoints as text, as trace-cmd report prints them")
    .option('--perfetto', 'JSON that ui.perfetto.dev and chrome://tracing open')
    .option('--jsonl', 'every event with every field, one JSON object a line')
    .addOption(new Option('--clock <clock>', 'with --ftrace: seconds, or the TSC in cycles').choices(['local', 'x86-tsc']))
    .action(async (file: string | undefined, options: ExportCommandOptions) => {
      const { exportCommand } = await import('../export.ts')
      finish(exportCommand(open(options), file, options))
    })
}

function addImport({ program, open, finish }: CommandHost): void {
  program
    .command('import')
    .description("make a trace of a kernel's ftrace text, to compare it with")
    .argument('<file>', 'what trace-cmd report prints; - is stdin')
    .option('-o, --output <trace>', 'where it goes (default: the name of the text with .vtrace)')
    .option('--tsc-khz <khz>', "the TSC's frequency, for times in cycles", parseTscKhz, 2_000_000)
    .action(async (file: string, options: ImportCommandOptions) => {
      const { importCommand } = await import('../import.ts')
      finish(importCommand(open(options), file, options))
    })
}
