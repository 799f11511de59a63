/** Everything that decides how a guest runs, with every choice made: what a trace's header holds and replay starts from. */

import { assert } from '../base/assert.ts'
import { type MachineConfig, type MachineOptions, resolveConfig } from '../hw/machine.ts'
import { type CostTable, defaultCosts } from '../hw/time/costs.ts'
import type { HostJitter } from '../hw/time/jitter.ts'
import { DEFECT_NAMES, type DefectName } from '../kvm/defects.ts'
import { guestVmxMsrs, nestedVmxMsrs } from '../kvm/nested/capabilities.ts'
import { DEFAULT_PARAMETERS, type KvmParameters, type ParameterName, parameterValueOf } from '../kvm/parameters.ts'
import type { BootConfig } from '../vmm/loaders/program.ts'
import { HYPERVISOR_MEMORY_MIB } from '../vmm/nested-guest.ts'
import { HOST_MEMORY_MIB, romMemoryMiB } from '../vmm/vmm.ts'
import { linuxHypervisor, stockHypervisor } from './stock-hypervisor.ts'

export interface RunConfig {
  /** bare: on the CPU itself. kvm: in a VM. */
  readonly mode: 'bare' | 'kvm'
  readonly guestMemoryMiB: number
  readonly machine: MachineConfig
  readonly parameters: KvmParameters
  /** Mistakes of the posted series that this KVM makes; absent without any. */
  readonly defects?: readonly DefectName[]
  /** The guest hypervisor that runs the guest as L2, as a flat image; null: the guest is L1, or on the CPU itself. */
  readonly hypervisor: { readonly origin: number; readonly bytes: Uint8Array } | null
  readonly boot: BootConfig
}

export interface RunOptions {
  readonly bare?: boolean
  readonly guestMemoryMiB?: number
  /** Under KVM each has one vCPU. */
  readonly cpus?: number
  readonly model?: NonNullable<MachineOptions['model']>
  readonly features?: NonNullable<MachineOptions['features']>
  readonly parameters?: Partial<KvmParameters>
  readonly defects?: readonly DefectName[]
  /** L2: under the stock guest hypervisor. */
  readonly level?: 'L1' | 'L2'
  /** The stock guest hypervisor takes the time that Linux and its KVM would, and does with its timer what they do. */
  readonly linuxTiming?: boolean
  readonly costs?: CostTable
  readonly jitter?: HostJitter
  readonly boot?: BootConfig
  /** Of the program where it is a ROM: under KVM it lies in the host's memory. */
  readonly romBytes?: number
  /** The date at power-on, in seconds since 1970. */
  readonly dateSeconds?: number
}

/** Module parameters from their texts, which are legal. */
export const parametersOf = (texts: Iterable<readonly [name: string, text: string]>): Partial<KvmParameters> =>
  Object.fromEntries(Array.from(texts, ([name, text]) => [name, parameterValueOf(name as ParameterName, text)]))

/** 64-bit mode at the program's entry. */
const DEFAULT_BOOT: BootConfig = { kind: 'long', commandLine: '', modules: [] }

export const DEFAULT_GUEST_MEMORY_MIB = 32

export function resolveRunConfig({
  bare = false,
  guestMemoryMiB = DEFAULT_GUEST_MEMORY_MIB,
  cpus = 1,
  model,
  features,
  parameters,
  defects = [],
  level = 'L1',
  linuxTiming = false,
  costs = defaultCosts(),
  jitter,
  boot = DEFAULT_BOOT,
  romBytes = 0,
  dateSeconds,
}: RunOptions = {}): RunConfig {
  assert(level === 'L1' || cpus === 1, 'the guest hypervisor has one CPU for its guest')
  const hypervisor = level === 'L2' && !bare ? (linuxTiming ? linuxHypervisor(costs) : stockHypervisor()) : null
  const ofHost = bare ? 0 : HOST_MEMORY_MIB + romMemoryMiB(romBytes)
  const memoryMiB = guestMemoryMiB + ofHost + (hypervisor === null ? 0 : HYPERVISOR_MEMORY_MIB)
  const kvmParameters = { ...DEFAULT_PARAMETERS, ...parameters }
  const machine = resolveConfig({
    memoryMiB,
    cpus,
    costs,
    ...(jitter === undefined ? {} : { jitter }),
    ...(model === undefined ? {} : { model }),
    ...(features === undefined ? {} : { features }),
    devices: { memoryMiB: guestMemoryMiB, commandLine: boot.commandLine, ...(dateSeconds === undefined ? {} : { dateSeconds }) },
  })
  return {
    mode: bare ? 'bare' : 'kvm',
    guestMemoryMiB,
    machine: model === 'kvm-guest' ? withGuestVmx(machine, kvmParameters) : machine,
    parameters: kvmParameters,
    ...(defects.length === 0 ? {} : { defects: DEFECT_NAMES.filter(name => defects.includes(name)) }),
    hypervisor: hypervisor === null ? null : { origin: hypervisor.origin, bytes: hypervisor.bytes },
    boot,
  }
}

/** A processor with the VMX that KVM with these parameters gives its guest where it runs on `machine`. */
const withGuestVmx = (machine: MachineConfig, parameters: KvmParameters): MachineConfig => ({
  ...machine,
  vmxMsrs: guestVmxMsrs(nestedVmxMsrs(index => machine.vmxMsrs[index] ?? 0n, parameters)),
})
