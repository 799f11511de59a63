/** The commands that measure latency in simulated time. */

import { Option } from 'commander'
import type { BenchOptions, TimerBenchOptions } from '../bench.ts'
import { parseDurationMs, parseJitterSeed, parseParameter, parsePeriodNs } from '../values.ts'
import type { CommandHost } from './host.ts'

export function addBenchCommands({ program, open, finish }: CommandHost): void {
  const bench = program.command('bench').description('how late timers are, in simulated time, by the cost table of docs/latency-model.md')
  const add = (name: string, what: string) =>
    bench
      .command(name)
      .description(what)
      .option('--duration-ms <n>', 'simulated time of each measurement', parseDurationMs, 20)
      .option(
        '--jitter-seed <n>',
        'let the work of the host vary, by this seed; without it all takes its cost to the tick',
        parseJitterSeed,
      )
      .option('--json', 'for programs')
      .option('--color', 'colour, also where the output is not a terminal')
      .option('--no-color', 'no colour')
  const addTimer = (name: 'timer-latency' | 'cyclictest', what: string, periodNs: number) =>
    add(name, what)
      .addOption(new Option('--level <level>', 'L2: under a guest hypervisor that takes the time of Linux with KVM').choices(['L1', 'L2']))
      .option('--param <name=value>', 'a module parameter of KVM, as apic_timer_virt=0 (repeatable)', parseParameter)
      .option('--period-ns <n>', 'from one deadline to the next', parsePeriodNs, periodNs)
  addTimer('timer-latency', "from a timer's deadline to the handler's first instruction, as the series' timer_latency", 10_000)
    .addOption(new Option('--wait <how>', 'how the guest waits (default: hlt)').choices(['hlt', 'busy']))
    .action(async (options: TimerBenchOptions) => {
      const { timerBenchCommand } = await import('../bench.ts')
      finish(await timerBenchCommand(open(options), 'timer-latency', options))
    })
  addTimer('cyclictest', "from a sleeping thread's deadline to its first instruction, as cyclictest", 1_000_000).action(
    async (options: TimerBenchOptions) => {
      const { timerBenchCommand } = await import('../bench.ts')
      finish(await timerBenchCommand(open(options), 'cyclictest', options))
    },
  )
  add('tables', "both latency tables of the series, with the series' figures beside ours").action(async (options: BenchOptions) => {
    const { tablesBenchCommand } = await import('../bench.ts')
    finish(await tablesBenchCommand(open(options), options))
  })
}
