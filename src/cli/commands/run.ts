/** The commands that run a guest. */

import { Option } from 'commander'
import { BOOT_KINDS } from '../../vmm/loaders/program.ts'
import type { RunCommandOptions } from '../run.ts'
import { parsePrint } from '../state-text.ts'
import type { CommonOptions } from '../terminal.ts'
import {
  gather,
  gatherEnvironment,
  parseCpu,
  parseCpuCount,
  parseDate,
  parseDefect,
  parseInstructionCount,
  parseMemory,
  parseParameter,
} from '../values.ts'
import { addSourceOptions, type CommandHost } from './host.ts'

export function addRunCommands(host: CommandHost): void {
  addRun(host)
  addDemo(host)
}

/** Without --max-insns a guest is stopped after so many instructions: minutes of emulation. */
const DEFAULT_MAX_INSTRUCTIONS = 1_000_000_000

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
    .option(
      '--defect <name>',
      'a mistake of the posted series that KVM is to make; `vtick explain defects` lists them (repeatable)',
      parseDefect,
    )
    .option('--param <name=value>', "a module parameter of KVM's, as apic_timer_virt=0 (repeatable)", parseParameter)
    .addOption(
      new Option('--level <level>', 'L2: the same guest one level deeper, under the stock guest hypervisor')
        .choices(['L1', 'L2'])
        .default('L1'),
    )
    .option('-m, --memory <mib>', 'memory of the guest in MiB (default: 32, kernels 128)', parseMemory)
    .option('--smp <n>', 'number of CPUs (default: 1)', parseCpuCount)
    .option('--stdin <file>', 'what the console receives, before the guest starts; - is stdin')
    .option('--record <trace>', 'record the run to this file')
    .option(
      '--print <what>',
      'on stderr: exits, every VM exit as it comes; regs, registers and timer at the end; or regs,exits',
      parsePrint,
    )
    .option('--guest-status', "exit with QEMU's (v << 1) | 1 for the status v that the guest wrote to port 0xf4")
    .option('--max-insns <n>', 'stop after so many instructions', parseInstructionCount, DEFAULT_MAX_INSTRUCTIONS)
    .addHelpText('after', RUN_CODES)
    .action(async (file: string, options: RunCommandOptions) => {
      const { runCommand } = await import('../run.ts')
      finish(await runCommand(open(options), file, options))
    })
}

const RUN_CODES = `
Exit codes: 0 the guest wrote 0 to port 0xf4 and printed no line that starts with FAIL:
            1 it wrote something else, or did    2 usage    3 the source has errors
            5 triple fault, or halted for ever   124 --max-insns used up   130 Ctrl-C`

function addDemo({ program, open, finish }: CommandHost): void {
  program
    .command('demo')
    .description('APIC-timer virtualization off and on: the same guest twice, and the exits that are gone')
    .action(async (options: CommonOptions) => {
      const { demoCommand } = await import('../demo.ts')
      finish(await demoCommand(open(options)))
    })
}
