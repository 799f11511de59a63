/** The configuration of a run, from the options of `vtick run` and the program; what does not go together is refused by name. */

import type { Image } from '../assembler/image.ts'
import { type RunConfig, resolveRunConfig } from '../session/config.ts'
import { isElf } from '../vmm/loaders/elf.ts'
import type { BootConfig } from '../vmm/loaders/program.ts'
import { bootConfigOf } from './boot-options.ts'
import { usageError } from './exit-codes.ts'
import type { RunCommandOptions } from './run.ts'
import type { Terminal } from './terminal.ts'

/** A kernel gets as much memory as QEMU gives it. */
const KERNEL_MEMORY_MIB = 128

/** Why the stock guest hypervisor cannot run the program, or null: its guests have one CPU, which starts in 64-bit mode. */
function level2Reason(kind: BootConfig['kind'], cpus: number): string | null {
  if (kind !== 'long') return `it boots as \`${kind}\`, and the guest hypervisor starts its guest in 64-bit mode`
  return cpus > 1 ? 'the guest hypervisor has one CPU for its guest' : null
}

export function runConfigOf(terminal: Terminal, file: string, image: Image, options: RunCommandOptions): RunConfig {
  const { cpu, param = {}, defect = [], memory, smp: cpus = 1, date, level = 'L1' } = options
  const boot = bootConfigOf(terminal.io, file, image, options)
  const bare = options.bare === true
  refuseContradictions(file, options, level2Reason(boot.kind, cpus))
  if (!bare && cpu !== undefined && !cpu.features.includes('vmx'))
    throw usageError('KVM needs a CPU with vmx', 'leave -vmx out, or run with --bare')
  const isKernel = boot.kind !== 'long' || isElf(image.bytes)
  return resolveRunConfig({
    bare,
    parameters: param,
    defects: defect,
    level,
    boot,
    cpus,
    ...(boot.kind === 'rom' ? { romBytes: image.bytes.length } : {}),
    ...(memory !== undefined ? { guestMemoryMiB: memory } : isKernel ? { guestMemoryMiB: KERNEL_MEMORY_MIB } : {}),
    ...(date === undefined ? {} : { dateSeconds: date }),
    ...(cpu === undefined ? {} : cpu),
  })
}

/** Options that are KVM's, where there is none; and a level that is not for this program. */
function refuseContradictions(file: string, { bare, param = {}, defect, level }: RunCommandOptions, level2: string | null): void {
  const [parameter] = Object.keys(param)
  const next = 'leave one of the two out'
  if (bare && level === 'L2') throw usageError('--level L2 is under KVM, and with --bare there is none', next)
  if (bare && parameter !== undefined) throw usageError(`--param ${parameter} is for KVM, and with --bare there is none`, next)
  if (bare && defect !== undefined) throw usageError(`--defect ${defect[0]} is one of KVM's, and with --bare there is none`, next)
  if (level === 'L2' && param.nested === false) throw usageError('--level L2 needs nested VMX', 'leave --param nested=0 out')
  if (level === 'L2' && level2 !== null) throw usageError(`${file}: --level L2 is not for it: ${level2}`, 'leave --level out')
}
