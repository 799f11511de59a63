/** The commands about sources and machine code, with their options and help. */

import { Option } from 'commander'
import type { AsmCommandOptions } from '../asm.ts'
import type { DisasmCommandOptions } from '../disasm.ts'
import type { CommonOptions } from '../terminal.ts'
import { gather, parseOrigin } from '../values.ts'
import { addSourceOptions, type CommandHost } from './host.ts'

export function addSourceCommands(host: CommandHost): void {
  addAsm(host)
  addDisasm(host)
  addExplain(host)
}

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
    const { asmCommand } = await import('../asm.ts')
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
      const { disasmCommand } = await import('../disasm.ts')
      finish(disasmCommand(open(options), file, options))
    })
}

function addExplain({ program, open, finish }: CommandHost): void {
  program
    .command('explain')
    .description("a short page about a diagnostic's code, an exit reason, an MSR, a VMCS field or an instruction")
    .argument('<topic...>', 'E0203, exit 52, msr 0x6e0, vmcs guest_rip, instruction wrmsr, defects')
    .action(async (words: string[], options: CommonOptions) => {
      const { explainCommand } = await import('../explain.ts')
      finish(explainCommand(open(options), words))
    })
}
