/** Everything that decides how a guest runs, with every choice made: what a trace's header holds and replay starts from. */

import { type MachineConfig, type MachineOptions, resolveConfig } from '../hw/machine.ts'
import { DEFAULT_PARAMETERS, type KvmParameters } from '../kvm/parameters.ts'
import { HOST_MEMORY_MIB } from '../vmm/vmm.ts'

export interface RunConfig {
  /** bare: on the CPU itself. kvm: in a VM. */
  readonly mode: 'bare' | 'kvm'
  readonly guestMemoryMiB: number
  readonly machine: MachineConfig
  readonly parameters: KvmParameters
}

export interface RunOptions {
  readonly bare?: boolean
  readonly guestMemoryMiB?: number
  readonly model?: NonNullable<MachineOptions['model']>
  readonly features?: NonNullable<MachineOptions['features']>
  readonly parameters?: Partial<KvmParameters>
}

export const DEFAULT_GUEST_MEMORY_MIB = 32

export function resolveRunConfig({
  bare = false,
  guestMemoryMiB = DEFAULT_GUEST_MEMORY_MIB,
  model,
  features,
  parameters,
}: RunOptions = {}): RunConfig {
  const memoryMiB = bare ? guestMemoryMiB : guestMemoryMiB + HOST_MEMORY_MIB
  return {
    mode: bare ? 'bare' : 'kvm',
    guestMemoryMiB,
    machine: resolveConfig({ memoryMiB, ...(model === undefined ? {} : { model }), ...(features === undefined ? {} : { features }) }),
    parameters: { ...DEFAULT_PARAMETERS, ...parameters },
  }
}
