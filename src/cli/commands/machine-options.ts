/** What decides how a program runs: for the commands that run one. */

import { type Command, Option } from 'commander'
import { BOOT_KINDS } from '../../vmm/loaders/program.ts'
import { gather, gatherEnvironment, parseCpu, parseCpuCount, parseDate, parseDefect, parseMemory, parseParameter } from '../values.ts'
import { addSourceOptions } from './host.ts'

export const addMachineOptions = (command: Command): Command =>
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
