/**
 * The configuration that a trace holds, checked before a machine is made from it: a file may be altered and have right checksums.
 * What is wrong is the file's fault, never an assertion of ours.
 */

import { COSTS, defaultCosts } from '../hw/time/costs.ts'
import { DEFECT_NAMES, isDefectName } from '../kvm/defects.ts'
import { BEFORE_THEY_EXISTED, DEFAULT_PARAMETERS, isParameterValue, PARAMETER_NAMES, type ParameterName } from '../kvm/parameters.ts'
import { CPU_FEATURES, MAX_CPUS } from '../spec/cpu-models.ts'
import { MSRS, type MsrName } from '../spec/msrs.ts'
import type { PlainObject, TraceHeader } from '../trace/file.ts'
import { damaged, TraceFileError } from '../trace/trace-file-error.ts'
import { LoadError } from '../vmm/loaders/load-error.ts'
import { BOOT_KINDS } from '../vmm/loaders/program.ts'
import { HYPERVISOR_MEMORY_MIB } from '../vmm/nested-guest.ts'
import { HOST_MEMORY_MIB, romMemoryMiB } from '../vmm/vmm.ts'
import type { RunConfig } from './config.ts'
import { environmentOf } from './guest-run.ts'

/** More than any run has; what a forged trace may make us allocate. */
const MAX_MEMORY_MIB = 2048

interface Rule {
  readonly holds: (config: PlainObject, machine: PlainObject) => boolean
  readonly what: string
}

const objectOf = (value: unknown): PlainObject => (typeof value === 'object' && value !== null ? (value as PlainObject) : {})

const isWhole = (value: unknown, from: number, to: number): boolean =>
  Number.isInteger(value) && Number(value) >= from && Number(value) <= to

const isFeature = (name: unknown): boolean => (CPU_FEATURES as readonly unknown[]).includes(name)

const isBoot = ({ kind, commandLine, modules }: PlainObject): boolean =>
  (BOOT_KINDS as readonly unknown[]).includes(kind) &&
  typeof commandLine === 'string' &&
  Array.isArray(modules) &&
  modules.map(objectOf).every(({ name, bytes }) => typeof name === 'string' && bytes instanceof Uint8Array)

const isDevices = ({ memoryMiB, dateSeconds, commandLine }: PlainObject): boolean =>
  isWhole(memoryMiB, 1, MAX_MEMORY_MIB) && isWhole(dateSeconds, 0, 2 ** 36) && typeof commandLine === 'string'

/** Capability MSRs that every CPU with VMX has had since the first trace; later ones may be missing in a trace of before. */
const ALWAYS_PRESENT: readonly MsrName[] = [
  'MSR_IA32_VMX_BASIC',
  'MSR_IA32_VMX_MISC',
  'MSR_IA32_VMX_CR0_FIXED0',
  'MSR_IA32_VMX_CR0_FIXED1',
  'MSR_IA32_VMX_CR4_FIXED0',
  'MSR_IA32_VMX_CR4_FIXED1',
  'MSR_IA32_VMX_PROCBASED_CTLS2',
  'MSR_IA32_VMX_TRUE_PINBASED_CTLS',
  'MSR_IA32_VMX_TRUE_PROCBASED_CTLS',
  'MSR_IA32_VMX_TRUE_EXIT_CTLS',
  'MSR_IA32_VMX_TRUE_ENTRY_CTLS',
]

interface Names {
  /** The names that the configuration uses. */
  readonly used: (config: PlainObject, machine: PlainObject) => readonly unknown[]
  readonly known: readonly string[]
  readonly what: string
}

/** What a later vtick may have more of; one that this vtick does not know would be played without it. */
const NAMES: readonly Names[] = [
  { used: ({ parameters }) => Object.keys(objectOf(parameters)), known: PARAMETER_NAMES, what: 'the module parameter' },
  { used: (_, { costs }) => Object.keys(objectOf(costs)), known: Object.keys(COSTS), what: 'the cost' },
  { used: (_, { features }) => (Array.isArray(features) ? features : []), known: CPU_FEATURES, what: 'the CPU feature' },
  { used: ({ defects }) => (Array.isArray(defects) ? defects : []), known: DEFECT_NAMES, what: 'the defect' },
]

/** In this order: each may rely on those before it. */
const RULES: readonly Rule[] = [
  { holds: ({ mode }) => mode === 'kvm' || mode === 'bare', what: 'whether KVM runs the guest' },
  { holds: ({ guestMemoryMiB }) => isWhole(guestMemoryMiB, 1, MAX_MEMORY_MIB), what: 'the memory of the guest' },
  { holds: (_, { cpus }) => isWhole(cpus, 1, MAX_CPUS), what: 'the number of CPUs' },
  { holds: (_, { turnTicks }) => isWhole(turnTicks, 1, 2 ** 32), what: "how long a CPU's turn is" },
  { holds: (_, { tscKhz }) => isWhole(tscKhz, 1, 2 ** 32), what: 'the frequency of the TSC' },
  { holds: (_, { features }) => Array.isArray(features) && features.every(isFeature), what: 'the features of the CPU' },
  {
    holds: (_, { signature, brand }) => isWhole(signature, 0, 0xffff_ffff) && typeof brand === 'string' && brand.length < 48,
    what: 'the model of the CPU',
  },
  { holds: (_, { randomSeed }) => isWhole(randomSeed, 0, Number.MAX_SAFE_INTEGER), what: 'the seed of its random numbers' },
  {
    holds: ({ mode, guestMemoryMiB, hypervisor }, { memoryMiB }) =>
      isWhole(memoryMiB, 1, MAX_MEMORY_MIB) &&
      Number(memoryMiB) >=
        Number(guestMemoryMiB) + (mode === 'kvm' ? HOST_MEMORY_MIB : 0) + (hypervisor === null ? 0 : HYPERVISOR_MEMORY_MIB),
    what: 'the memory of the machine',
  },
  { holds: ({ hypervisor }) => hypervisor === null || objectOf(hypervisor).bytes instanceof Uint8Array, what: 'the guest hypervisor' },
  { holds: (_, { costs }) => Object.values(objectOf(costs)).every(ticks => isWhole(ticks, 0, 2 ** 32)), what: 'the cost table' },
  {
    holds: (_, { features, vmxMsrs }) =>
      Object.values(objectOf(vmxMsrs)).every(value => typeof value === 'bigint') &&
      (!(features as unknown[]).includes('vmx') || ALWAYS_PRESENT.every(name => MSRS[name].index in objectOf(vmxMsrs))),
    what: 'the VMX capability MSRs',
  },
  {
    holds: ({ parameters }) =>
      Object.entries(objectOf(parameters)).every(([name, value]) => isParameterValue(name as ParameterName, value)),
    what: "KVM's module parameters",
  },
  {
    holds: ({ defects }) => defects === undefined || (Array.isArray(defects) && defects.length > 0 && defects.every(isDefectName)),
    what: "which of the series' defects KVM has",
  },
  { holds: ({ boot }) => isBoot(objectOf(boot)), what: 'how the program is booted' },
  { holds: (_, { devices }) => isDevices(objectOf(devices)), what: 'what the devices say of the machine' },
  { holds: ({ mode }, { features }) => mode === 'bare' || (features as unknown[]).includes('vmx'), what: 'a CPU that KVM can use' },
]

/** Parameters and costs that did not exist when the trace was recorded get what vtick did without them, or what it does by itself. */
function completed(config: RunConfig): RunConfig {
  const { machine, parameters } = config
  return {
    ...config,
    parameters: { ...parameters, ...DEFAULT_PARAMETERS, ...BEFORE_THEY_EXISTED, ...parameters }, // in the recorded order
    machine: { ...machine, costs: { ...defaultCosts(), ...machine.costs } },
  }
}

function refuseUnknownNames(config: PlainObject, machine: PlainObject): void {
  for (const { used, known, what } of NAMES) {
    const unknown = used(config, machine).find(name => typeof name === 'string' && !known.includes(name))
    if (unknown !== undefined)
      throw new TraceFileError('unsupported-version', `the trace was recorded with ${what} \`${unknown}\`, which this vtick does not know`)
  }
}

/** The configuration in a trace's header; a `TraceFileError` where it is not one that a run can have had. */
export function recordedConfig({ config, image }: TraceHeader): RunConfig {
  const machine = objectOf(config.machine)
  refuseUnknownNames(config, machine)
  const broken = RULES.find(({ holds }) => !holds(config, machine))
  if (broken !== undefined) throw damaged('the header', `its configuration does not say ${broken.what}`)
  const checked = completed(config as unknown as RunConfig)
  if (checked.boot.kind === 'long' && image.origin + image.bytes.length > checked.guestMemoryMiB * 2 ** 20)
    throw damaged('the header', 'the program does not fit into the memory of the guest')
  try {
    const { rom } = environmentOf(checked, image)
    const needed = checked.guestMemoryMiB + HOST_MEMORY_MIB + romMemoryMiB(rom?.length ?? 0)
    if (checked.mode === 'kvm' && rom !== undefined && checked.machine.memoryMiB < needed)
      throw damaged('the header', 'the ROM does not fit into the memory of the machine')
  } catch (error) {
    if (!(error instanceof LoadError)) throw error
    throw damaged('the header', `its program cannot be booted: ${error.message}`)
  }
  return checked
}
