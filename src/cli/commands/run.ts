/** The commands that run a guest. */

import { parsePrint } from '../printable.ts'
import type { RunCommandOptions } from '../run.ts'
import type { CommonOptions } from '../terminal.ts'
import { parseInstructionCount } from '../values.ts'
import type { CommandHost } from './host.ts'
import { addMachineOptions } from './machine-options.ts'

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
  addMachineOptions(command)
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
