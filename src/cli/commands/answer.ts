/** The commands that answer questions about traces: compare, count, search. */

import { Option } from 'commander'
import type { DiffCommandOptions } from '../diff.ts'
import type { QueryCommandOptions } from '../query.ts'
import type { StatCommandOptions } from '../stat.ts'
import { parseTimingDelta, parseTolerance } from '../values.ts'
import { type CommandHost, NEWEST } from './host.ts'

export function addAnswerCommands(host: CommandHost): void {
  addDiff(host)
  addStat(host)
  addQuery(host)
}

function addDiff({ program, open, finish }: CommandHost): void {
  program
    .command('diff')
    .description('what two traces do differently; exit code 1 if they differ')
    .argument('[traces...]', 'two traces; the two newest in .vtick/ if absent')
    .addOption(
      new Option('--by <what>', 'arch is what the guest sees, memory its memory at the end (default: arch)').choices([
        'arch',
        'exits',
        'timing',
        'memory',
        'all',
      ]),
    )
    .option('--tol <cycles=n>', 'with --by timing or all: times may differ by so much', parseTolerance)
    .option('--first', 'only where they part, by events')
    .option('--tui', 'on a screen, to walk through')
    .option('--stat', 'only the table of exit counts; compares exits if --by does not say')
    .option('--json', 'for programs')
    .addOption(new Option('--expect <what>', 'only the answer, for scripts').choices(['same-exits', 'same-arch']))
    .option('--max-timing-delta <n>', 'only the answer: the same events, and no time differs by more than N cycles', parseTimingDelta)
    .action(async (files: string[], options: DiffCommandOptions & { readonly tui?: boolean }) => {
      if (options.tui === true) {
        const { exploreDiff } = await import('../explore.ts')
        return finish(await exploreDiff(open(options), files, options, program))
      }
      const { diffCommand } = await import('../diff.ts')
      finish(diffCommand(open(options), files, options))
    })
}

function addStat({ program, open, finish }: CommandHost): void {
  program
    .command('stat')
    .description('count and time the VM exits of a trace, in cycles from exit to entry')
    .argument('[trace]', NEWEST)
    .addOption(
      new Option('--by <what>', 'a row for each reason and MSR, source line, level, or reason of a vCPU')
        .choices(['reason', 'line', 'level', 'vcpu'])
        .default('reason'),
    )
    .option('--vs <trace>', 'what is different in this other trace')
    .option('--json', 'for programs')
    .action(async (file: string | undefined, options: StatCommandOptions) => {
      const { statCommand } = await import('../stat.ts')
      finish(statCommand(open(options), file, options))
    })
}

function addQuery({ program, open, finish }: CommandHost): void {
  program
    .command('query')
    .description('the events of a trace that a filter lets through; exit code 1 if there are none')
    .argument('<words...>', "the filter, as 'exit and reason == MSR_WRITE'; a trace may stand before it")
    .option('--count', 'only how many')
    .option('--first', 'only the first')
    .option('--table <columns>', 'these fields in columns, as event,tick,reason,rip')
    .option('--json', 'for programs')
    .addHelpText('after', FILTER_HELP)
    .action(async (words: string[], options: QueryCommandOptions) => {
      const { queryCommand } = await import('../query.ts')
      finish(queryCommand(open(options), words, options))
    })
}

const FILTER_HELP = `
Filters:
  exit                        events by name or short word, * and ? stand for anything: hrtimer_*
  reason == MSR_WRITE         a field, compared by == != < <= > >=, or with a pattern by ~; also: tick in 1000..2000
                              event, tick, cpu and level belong to every event; docs/trace-format.md has the others
  exit(MSR_WRITE, 0x6e0)      an exit by reason, and by MSR       irq(0xec)  an interrupt     msr(IA32_TSC_DEADLINE)
  line(42), at(handler)       at an instruction of a source line, or behind a label
  and or not ( )              as && || !`
