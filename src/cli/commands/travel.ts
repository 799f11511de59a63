/** The commands that go to places in a trace. */

import { Option } from 'commander'
import { LOCATION_FORMS } from '../../query/location.ts'
import { POSITION_FORMS } from '../../query/position.ts'
import type { ExploreCommandOptions } from '../explore.ts'
import type { GdbCommandOptions } from '../gdb.ts'
import { parsePrint } from '../printable.ts'
import type { ReplayCommandOptions } from '../replay.ts'
import type { ReplayToOptions } from '../replay-to.ts'
import type { CommonOptions } from '../terminal.ts'
import { gather, parseCpuCount, parseDepth, parseInstructionCount, parseMemory, parseParameter, parsePort } from '../values.ts'
import type { WhyOptions } from '../why.ts'
import { addSourceOptions, type CommandHost, NEWEST } from './host.ts'
import { addMachineOptions } from './machine-options.ts'
import { sourceWords } from './source-words.ts'

export function addTravelCommands(host: CommandHost): void {
  addReplay(host)
  addExplore(host)
  addKeys(host)
  addDumpVmcs(host)
  addWhy(host)
  addGdb(host)
}

function addReplay({ program, open, finish }: CommandHost): void {
  program
    .command('replay')
    .description('run a recording again and compare every observation; or ask what if, and write what comes of it')
    .argument('[trace]', NEWEST)
    .option('--param <name=value>', "what if a module parameter of KVM's were another, as apic_timer_virt=0 (repeatable)", parseParameter)
    .option(
      '--set <location=value>',
      'what if a register, an MSR or memory were, as rax=5, msr:0x6e0=0 or [label]:4=7 (repeatable)',
      gather,
    )
    .option('--at <position>', 'when --set sets, as for --to (default: before the first instruction)')
    .option(
      '--print <what>',
      'regs: registers and timer at the end, or where --to leads; exits: every VM exit on the way; or regs,exits',
      parsePrint,
    )
    .option('-o, --output <trace>', 'where the other run goes (default: .vtick/NAME-what-if.vtrace)')
    .option('--to <position>', `print the state there: ${POSITION_FORMS}`)
    .option(
      '--until <expression>',
      'print it where this comes true: `rip == start`, `[rsp]:4 == 7 and level == 2`, `exit(HLT)`, a label, a location that changes',
    )
    .action(async (file: string | undefined, options: ReplayCommandOptions & ReplayToOptions) => {
      if (options.to !== undefined || options.until !== undefined) {
        const { replayTo } = await import('../replay-to.ts')
        return finish(await replayTo(open(options), file, options))
      }
      const { replayCommand } = await import('../replay.ts')
      finish(await replayCommand(open(options), file, options))
    })
}

/** The recording of a source under the explorer is kept in memory. */
const MOST_LIVE = 50_000_000

function addExplore({ program, commandLine, open, finish }: CommandHost): void {
  const command = program
    .command('explore')
    .description('walk through a trace, or a guest run for it: events, source and registers, forward and back')
    .argument('[trace]', `${NEWEST}; or the source of a guest, which is run, and again when it has changed`)
  addMachineOptions(command)
    .option('--max-insns <n>', 'stop a source after so many instructions', parseInstructionCount, MOST_LIVE)
    .option('--at <position>', `where to begin: ${POSITION_FORMS}`)
    .option('--filter <filter>', 'show only the events that a filter lets through, as in `vtick query`')
    .option('--plain', 'as text, also on a terminal')
    .option('--ascii', 'frames and bars in ASCII')
    .option('--screen-reader', 'no screen: a line of words for each key (INK_SCREEN_READER=true says so too)')
    .action(async (file: string | undefined, options: ExploreCommandOptions) => {
      const { exploreCommand } = await import('../explore.ts')
      finish(await exploreCommand(open(options), file, { ...options, words: sourceWords(commandLine(), file) }, program))
    })
}

function addKeys({ program, open, finish }: CommandHost): void {
  program
    .command('keys')
    .description('the keys of the explorer')
    .option('--json', 'for programs')
    .action(async (options: CommonOptions & { readonly json?: boolean }) => {
      const { keysCommand } = await import('../keys.ts')
      finish(keysCommand(open(options), options))
    })
}

function addDumpVmcs({ program, open, finish }: CommandHost): void {
  program
    .command('dump-vmcs')
    .description("the VMCS that is current at a position of a trace, in the layout of the kernel's dump_vmcs")
    .argument('[trace]', NEWEST)
    .argument('[position]', POSITION_FORMS, '@end')
    .action(async (file: string | undefined, at: string, options: CommonOptions) => {
      const { dumpVmcsCommand } = await import('../dump-vmcs.ts')
      finish(await dumpVmcsCommand(open(options), file, at))
    })
}

function addWhy({ program, open, finish }: CommandHost): void {
  program
    .command('why')
    .description('where a value came from: back through moves, memory, KVM, VMCS copies and timers to where it began')
    .argument('<words...>', 'TRACE POSITION LOCATION; without a trace the newest in .vtick/, without a position @end')
    .option('--depth <n>', 'look back over at most N instructions for each step (default: 2000000)', parseDepth)
    .option('--json', 'for programs')
    .addHelpText('after', WHY_HELP)
    .action(async (words: readonly string[], options: WhyOptions) => {
      const { whyCommand } = await import('../why.ts')
      finish(await whyCommand(open(options), words, options))
    })
}

const WHY_HELP = `
A position is ${POSITION_FORMS}.
A location is ${LOCATION_FORMS}; a label may stand for an address.
  vtick why T.vtrace '#412' rax
  vtick why T.vtrace @end '[counter]:8'`

function addGdb({ program, open, main, finish }: CommandHost): void {
  const command = program
    .command('gdb')
    .description("a trace, or a guest run for it, behind gdb's remote protocol: to step and continue in both directions")
    .argument('[trace]', `${NEWEST}; or a program, which is run and recorded into .vtick/ first`)
  addSourceOptions(command)
    .option('--param <name=value>', "a module parameter of KVM's for a program, as apic_timer_virt=0 (repeatable)", parseParameter)
    .addOption(new Option('--level <level>', 'L2: a program one level deeper').choices(['L1', 'L2']))
    .option('--bare', 'a program on the CPU itself, with no KVM')
    .option('-m, --memory <mib>', 'memory of a program in MiB', parseMemory)
    .option('--smp <n>', 'number of CPUs of a program (default: 1)', parseCpuCount)
    .option('--max-insns <n>', 'stop a program after so many instructions', parseInstructionCount, MOST_LIVE)
    .option('--port <port>', 'listen on 127.0.0.1 instead of talking over stdin and stdout; 0 is any that is free', parsePort)
    .addOption(
      new Option('--arch <name>', 'the registers that gdb sees (default: those of the mode that the program starts in)').choices([
        'x86-64',
        'i386',
        'i8086',
      ]),
    )
    .addHelpText('after', GDB_HELP)
    .action(async (file: string | undefined, options: GdbCommandOptions) => {
      const { gdbCommand } = await import('../gdb.ts')
      finish(await gdbCommand(open(options), file, { ...options, main }))
    })
}

const GDB_HELP = `
In gdb, with the guest's lines from \`vtick asm guest.asm -f exec -g\`:
  gdb guest.elf -ex 'target remote | npx vtick gdb guest.vtrace'
  reverse-stepi, reverse-continue, watch, rwatch, awatch, info threads, info registers control, info registers vmx, monitor help
A thread of gdb's is a CPU. A program that starts in 16- or 32-bit mode has the registers of i386, so that \`set architecture i8086\`
and back works; from 64-bit mode on attach again with --arch x86-64. gdb waits two seconds for an answer: record a longer run first,
or \`set remotetimeout 60\`.`
