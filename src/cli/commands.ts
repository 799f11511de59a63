/**
 * The commands with their options and help. A command's own file, and with it the emulator, is loaded only when it runs, so that
 * `--help` and `--version` answer at once.
 */

import { type Command, Option } from 'commander'
import { BOOT_KINDS } from '../vmm/loaders/program.ts'
import type { AsmCommandOptions } from './asm.ts'
import type { DiffCommandOptions } from './diff.ts'
import type { DisasmCommandOptions } from './disasm.ts'
import type { ExitCode } from './exit-codes.ts'
import type { ExploreCommandOptions } from './explore.ts'
import type { ExportCommandOptions } from './export.ts'
import type { GdbCommandOptions } from './gdb.ts'
import type { ImportCommandOptions } from './import.ts'
import type { Io } from './io.ts'
import type { QueryCommandOptions } from './query.ts'
import type { RunCommandOptions } from './run.ts'
import type { CommonOptions, Terminal } from './terminal.ts'
import type { TestCommandOptions } from './test.ts'
import {
  COVERAGE_FORMS,
  gather,
  gatherEnvironment,
  parseCoverage,
  parseCpu,
  parseCpuCount,
  parseDate,
  parseDefine,
  parseInstructionCount,
  parseMemory,
  parseOrigin,
  parseParameter,
  parsePort,
  parseReporter,
  parseShard,
  parseTolerance,
  parseTscKhz,
  REPORTER_NAMES,
} from './values.ts'

/** Opens the terminal for a command, with the colours its options ask for. */
export type OpenTerminal = (options: CommonOptions) => Terminal

/** What a command comes to is kept for the process's exit code. */
export interface CommandHost {
  readonly program: Command
  readonly open: OpenTerminal
  /** Runs another command line. */
  readonly main: (argv: readonly string[], io: Io) => Promise<ExitCode>
  finish(code: ExitCode): void
}

/** Without --max-insns a guest is stopped after so many instructions: minutes of emulation. */
const DEFAULT_MAX_INSTRUCTIONS = 1_000_000_000

const NEWEST = 'a trace; the newest in .vtick/ if absent'

export function addCommands(host: CommandHost): void {
  addAsm(host)
  addDisasm(host)
  addExplain(host)
  addRun(host)
  addReplay(host)
  addDiff(host)
  addExplore(host)
  addStat(host)
  addDumpVmcs(host)
  addQuery(host)
  addGdb(host)
  addExport(host)
  addImport(host)
  addInfo(host)
  addTest(host)
  addNew(host)
  addDemo(host)
  for (const command of host.program.commands)
    command.option('--color', 'colour, also where the output is not a terminal').option('--no-color', 'no colour')
}

const addSourceOptions = (command: Command): Command =>
  command
    .option('-D, --define <name=value>', 'define a name, as %define does (repeatable)', parseDefine)
    .option('-I, --include <dir>', 'look for included files there too (repeatable)', gather)

function addAsm({ program, open, finish }: CommandHost): void {
  const command = program
    .command('asm')
    .description('assemble NASM-dialect sources to flat binaries, ELF objects and executables')
    .argument('[file...]', 'assembly sources; - is stdin')
    .addOption(new Option('-f, --format <format>', 'what to make').choices(['bin', 'elf64', 'elf32', 'exec']).default('bin'))
    .option('-o, --output <file>', 'where it goes; - is stdout (default: the name of the source with .bin, .o or .elf)')
    .option('-l, --listing <file>', 'also write a listing; - is stdout')
    .option('-g, --debug', 'put a table of source lines into an ELF file, for gdb')
    .option('-E, --preprocess', 'only expand macros and includes; the text goes to stdout')
    .option('-M, --dependencies [D]', 'only print a rule for make; -MD writes it beside the output while assembling')
    .option('-w, --warnings <class>', 'switch a class of warnings on, or with a minus in front off (repeatable)', gather)
    .option('-W, --warnings-are <error>', '-Werror or -Werror=CLASS: warnings count as errors (repeatable)', gather)
    .option('--json', 'what there is to say as data, on stdout')
  addSourceOptions(command).action(async (files: string[], options: AsmCommandOptions) => {
    const { asmCommand } = await import('./asm.ts')
    finish(asmCommand(open(options), files, options))
  })
}

function addDisasm({ program, open, finish }: CommandHost): void {
  program
    .command('disasm')
    .description('disassemble a flat binary or the code of an ELF file, as source that assembles back to the same bytes')
    .argument('<file>', 'a flat binary, an object or an executable; - is stdin')
    .addOption(new Option('--bits <n>', 'the mode of a flat binary (default: 64; 16 for a boot sector)').choices(['16', '32', '64']))
    .option(
      '--org <address>',
      'where a flat binary stands (default: 0x100000 in 64-bit code, 0x7c00 for a boot sector, else 0)',
      parseOrigin,
    )
    .option('--json', 'for programs')
    .action(async (file: string, options: DisasmCommandOptions) => {
      const { disasmCommand } = await import('./disasm.ts')
      finish(disasmCommand(open(options), file, options))
    })
}

function addExplain({ program, open, finish }: CommandHost): void {
  program
    .command('explain')
    .description("a short page about a diagnostic's code, an exit reason, an MSR, a VMCS field or an instruction")
    .argument('<topic...>', 'E0203, exit 52, msr 0x6e0, vmcs guest_rip, instruction wrmsr')
    .action(async (words: string[], options: CommonOptions) => {
      const { explainCommand } = await import('./explain.ts')
      finish(explainCommand(open(options), words))
    })
}

function addRun({ program, open, finish }: CommandHost): void {
  const command = program
    .command('run')
    .description('run a guest program under KVM, or on the bare CPU; its console goes to stdout')
    .argument('<file>', 'an assembly source, a multiboot kernel, an ELF file, a boot sector or a flat binary for 64-bit mode; - is stdin')
  addSourceOptions(command)
    .addOption(new Option('--boot <kind>', 'how it starts, where the file itself does not say').choices(BOOT_KINDS))
    .option('--append <text>', 'command line of a multiboot kernel or of Linux')
    .option('--initrd <file>', 'a multiboot module, or the initrd of Linux (repeatable)', gather)
    .option(
      '--env <key=value>',
      'a line of the environment that a multiboot kernel finds as its last module (repeatable)',
      gatherEnvironment,
    )
    .option('--date <date>', 'what the clock shows at power-on, as 2026-01-01T12:00:00Z', parseDate)
    .option('--bare', 'on the CPU itself, with no KVM: the guest may execute VMXON')
    .option('--cpu <model>', 'CPU model and features, as max,-apic-timer-virt', parseCpu)
    .option('--param <name=value>', "a module parameter of KVM's, as apic_timer_virt=0 (repeatable)", parseParameter)
    .addOption(
      new Option('--level <level>', 'L2: the same guest one level deeper, under the stock guest hypervisor')
        .choices(['L1', 'L2'])
        .default('L1'),
    )
    .option('-m, --memory <mib>', 'memory of the guest in MiB (default: 32, kernels 128)', parseMemory)
    .option('--smp <n>', 'number of CPUs; more than one on the bare CPU (default: 1)', parseCpuCount)
    .option('--stdin <file>', 'what the console receives, before the guest starts; - is stdin')
    .option('--record <trace>', 'record the run to this file')
    .option('--guest-status', "exit with QEMU's (v << 1) | 1 for the status v that the guest wrote to port 0xf4")
    .option('--max-insns <n>', 'stop after so many instructions', parseInstructionCount, DEFAULT_MAX_INSTRUCTIONS)
    .addHelpText('after', RUN_CODES)
    .action(async (file: string, options: RunCommandOptions) => {
      const { runCommand } = await import('./run.ts')
      finish(await runCommand(open(options), file, options))
    })
}

const RUN_CODES = `
Exit codes: 0 the guest wrote 0 to port 0xf4 and printed no line that starts with FAIL:
            1 it wrote something else, or did    2 usage    3 the source has errors
            5 triple fault, or halted for ever   124 --max-insns used up   130 Ctrl-C`

function addReplay({ program, open, finish }: CommandHost): void {
  program
    .command('replay')
    .description('run a recording again and compare every observation')
    .argument('[trace]', NEWEST)
    .action(async (file: string | undefined, options: CommonOptions) => {
      const { replayCommand } = await import('./replay.ts')
      finish(await replayCommand(open(options), file))
    })
}

function addDiff({ program, open, finish }: CommandHost): void {
  program
    .command('diff')
    .description('what two traces do differently; exit code 1 if they differ')
    .argument('[traces...]', 'two traces; the two newest in .vtick/ if absent')
    .addOption(new Option('--by <what>', 'arch is what the guest sees (default: arch)').choices(['arch', 'exits', 'timing', 'all']))
    .option('--tol <cycles=n>', 'with --by timing or all: times may differ by so much', parseTolerance)
    .option('--stat', 'only the table of exit counts; compares exits if --by does not say')
    .option('--json', 'for programs')
    .addOption(new Option('--expect <what>', 'only the answer, for scripts').choices(['same-exits', 'same-arch']))
    .action(async (files: string[], options: DiffCommandOptions) => {
      const { diffCommand } = await import('./diff.ts')
      finish(diffCommand(open(options), files, options))
    })
}

function addExplore({ program, open, finish }: CommandHost): void {
  program
    .command('explore')
    .description('walk through a trace: events, source and registers, forward and back')
    .argument('[trace]', NEWEST)
    .option('--at <position>', 'where to begin: #event, i:instruction, tsc:value, 50%, @end')
    .option('--plain', 'as text, also on a terminal')
    .action(async (file: string | undefined, options: ExploreCommandOptions) => {
      const { exploreCommand } = await import('./explore.ts')
      finish(await exploreCommand(open(options), file, options))
    })
}

interface ReadingOptions extends CommonOptions {
  readonly json?: boolean
}

function addStat({ program, open, finish }: CommandHost): void {
  program
    .command('stat')
    .description('count and time the VM exits of a trace')
    .argument('[trace]', NEWEST)
    .option('--json', 'for programs')
    .action(async (file: string | undefined, options: ReadingOptions) => {
      const { statCommand } = await import('./stat.ts')
      finish(statCommand(open(options), file, options))
    })
}

function addDumpVmcs({ program, open, finish }: CommandHost): void {
  program
    .command('dump-vmcs')
    .description("the VMCS that is current at a position of a trace, in the layout of the kernel's dump_vmcs")
    .argument('[trace]', NEWEST)
    .argument('[position]', '#EVENT, i:INSTRUCTION, PERCENT% or @end', '@end')
    .action(async (file: string | undefined, at: string, options: CommonOptions) => {
      const { dumpVmcsCommand } = await import('./dump-vmcs.ts')
      finish(dumpVmcsCommand(open(options), file, at))
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
      const { queryCommand } = await import('./query.ts')
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

function addGdb({ program, open, main, finish }: CommandHost): void {
  program
    .command('gdb')
    .description("a trace behind gdb's remote protocol, to step and continue in both directions")
    .argument('[trace]', NEWEST)
    .option('--port <port>', 'listen on 127.0.0.1 instead of talking over stdin and stdout', parsePort)
    .addHelpText('after', GDB_HELP)
    .action(async (file: string | undefined, options: GdbCommandOptions) => {
      const { gdbCommand } = await import('./gdb.ts')
      finish(await gdbCommand(open(options), file, { ...options, main }))
    })
}

const GDB_HELP = `
In gdb, with the guest's lines from \`vtick asm guest.asm -f exec -g\`:
  gdb guest.elf -ex 'target remote | npx vtick gdb guest.vtrace'
  reverse-stepi, reverse-continue, watch, info registers control, info registers vmx, monitor help`

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
      const { exportCommand } = await import('./export.ts')
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
      const { importCommand } = await import('./import.ts')
      finish(importCommand(open(options), file, options))
    })
}

function addInfo({ program, open, finish }: CommandHost): void {
  program
    .command('info')
    .description('what a trace holds: program, configuration, size, end')
    .argument('[trace]', NEWEST)
    .option('--json', 'for programs')
    .action(async (file: string | undefined, options: ReadingOptions) => {
      const { infoCommand } = await import('./info.ts')
      finish(infoCommand(open(options), file, options))
    })
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
      const { testCommand } = await import('./test.ts')
      finish(await testCommand(open(options), patterns, options))
    })
}

function addNew({ program, open, finish }: CommandHost): void {
  program
    .command('new')
    .description('write a first guest test, which passes')
    .argument('<name>', 'NAME.guest.asm is written')
    .action(async (name: string, options: CommonOptions) => {
      const { newCommand } = await import('./new.ts')
      finish(newCommand(open(options), name))
    })
}

function addDemo({ program, open, finish }: CommandHost): void {
  program
    .command('demo')
    .description('APIC-timer virtualization off and on: the same guest twice, and the exits that are gone')
    .action(async (options: CommonOptions) => {
      const { demoCommand } = await import('./demo.ts')
      finish(await demoCommand(open(options)))
    })
}
