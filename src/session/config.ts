/** Everything that decides how a guest runs, with every choice made: what a trace's header holds and replay starts from. */

import { assert } from '../base/assert.ts'
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
  /** Only on the CPU itself: under KVM there is one. */
  readonly cpus?: number
  readonly model?: NonNullable<MachineOptions['model']>
  readonly features?: NonNullable<MachineOptions['features']>
  readonly parameters?: Partial<KvmParameters>
}

export const DEFAULT_GUEST_MEMORY_MIB = 32

export function resolveRunConfig({
  bare = false,
  guestMemoryMiB = DEFAULT_GUEST_MEMORY_MIB,
  cpus = 1,
  model,
  features,
  parameters,
}: RunOptions = {}): RunConfig {
  assert(bare || cpus === 1, 'more than one CPU only without KVM')
  const memoryMiB = bare ? guestMemoryMiB : guestMemoryMiB + HOST_MEMORY_MIB
  return {
    mode: bare ? 'bare' : 'kvm',
    guestMemoryMiB,
    machine: resolveConfig({ memoryMiB, cpus, ...(model === undefined ? {} : { model }), ...(features === undefined ? {} : { features }) }),
    parameters: { ...DEFAULT_PARAMETERS, ...parameters },
  }
}
