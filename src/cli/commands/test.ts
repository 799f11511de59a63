/** The commands about guest tests. */

import type { CommonOptions } from '../terminal.ts'
import type { TestCommandOptions } from '../test.ts'
import { COVERAGE_FORMS, gather, parseCoverage, parseReporter, parseShard, REPORTER_NAMES } from '../values.ts'
import type { CommandHost } from './host.ts'

export function addTestCommands(host: CommandHost): void {
  addTest(host)
  addNew(host)
}

function addTest({ program, open, finish }: CommandHost): void {
  program
    .command('test')
    .description('run guest tests (*.guest.asm), or those whose path contains a pattern')
    .argument('[pattern...]', 'parts of paths, or names of files')
    .option('-u, --update', 'keep what golden expectations found, instead of comparing')
    .option('-w, --watch', 'run again what a saved file changes')
    .option('--group <name>', 'only tests of this group (repeatable); without it all but those of `nodefault`', gather)
    .option('--shard <i/n>', "this machine's part of the files; leaves a report in .vtick/shards", parseShard)
    .option('--merge-reports [dir]', 'report what the shards left, and run nothing (default: .vtick/shards)')
    .option('--reporter <name>', `${REPORTER_NAMES.join(', ')}; NAME=FILE writes to a file (repeatable)`, parseReporter)
    .option('--coverage <form>', `what the tests executed: ${COVERAGE_FORMS.join(', ')}; FORM=FILE as above (repeatable)`, parseCoverage)
    .addHelpText('after', '\nExit codes: 0 all passed    1 some failed    2 usage, or no such test    77 all skipped')
    .action(async (patterns: string[], options: TestCommandOptions) => {
      const { testCommand } = await import('../test.ts')
      finish(await testCommand(open(options), patterns, options))
    })
}

function addNew({ program, open, finish }: CommandHost): void {
  program
    .command('new')
    .description('write a first guest test, which passes')
    .argument('<name>', 'NAME.guest.asm is written')
    .action(async (name: string, options: CommonOptions) => {
      const { newCommand } = await import('../new.ts')
      finish(newCommand(open(options), name))
    })
}
