/**
 * CPU models: which features a processor has, by the names that QEMU uses for `-cpu model,+feature,-feature`. A feature is here
 * when the emulated CPU implements it; what a feature covers only in part says so in docs/silicon.md.
 */

import type { CpuidFeatureName } from './cpuid.ts'

export const CPU_FEATURES = [
  // CPUID.01H:EDX
  'fpu',
  'de',
  'pse',
  'tsc',
  'msr',
  'pae',
  'mce',
  'cx8',
  'apic',
  'sep',
  'mtrr',
  'pge',
  'mca',
  'cmov',
  'pat',
  'pse36',
  'clflush',
  'fxsr',
  'sse',
  'sse2',
  // CPUID.01H:ECX
  'monitor',
  'vmx',
  'cx16',
  'pcid',
  'x2apic',
  'movbe',
  'popcnt',
  'tsc-deadline',
  'xsave',
  'avx',
  'rdrand',
  'hypervisor',
  // CPUID.06H, .07H, .0DH
  'arat',
  'fsgsbase',
  'tsc-adjust',
  'bmi1',
  'smep',
  'bmi2',
  'erms',
  'invpcid',
  'rdseed',
  'adx',
  'smap',
  'clflushopt',
  'clwb',
  'umip',
  'la57',
  'rdpid',
  'serialize',
  'wrmsrns',
  'xsaveopt',
  'xsavec',
  'xgetbv1',
  'xsaves',
  // CPUID.80000001H, .80000007H
  'lahf-lm',
  'abm',
  '3dnowprefetch',
  'syscall',
  'nx',
  'pdpe1gb',
  'rdtscp',
  'lm',
  'invtsc',
  // VMX capabilities, which CPUID does not tell.
  'vmx-tertiary-ctls',
  'apic-timer-virt',
] as const satisfies readonly (CpuidFeatureName | 'vmx-tertiary-ctls' | 'apic-timer-virt')[]

export type CpuFeature = (typeof CPU_FEATURES)[number]

export interface CpuModel {
  readonly family: number
  readonly model: number
  readonly stepping: number
  /** At most 47 characters: the brand string. */
  readonly brand: string
  readonly features: readonly CpuFeature[]
  readonly what: string
}

/** Features that must be asked for by name: VEX-encoded arithmetic is not in the table, and a CPU is no guest. */
const ON_REQUEST: readonly CpuFeature[] = ['avx', 'hypervisor']

const without = (...names: CpuFeature[]): readonly CpuFeature[] =>
  CPU_FEATURES.filter(feature => !names.includes(feature) && !ON_REQUEST.includes(feature))

/** Features that KVM does not pass on to its guest: it keeps CR4.PCIDE and CR4.LA57 for itself and does not enable XSAVES. */
export const HIDDEN_BY_KVM = ['monitor', 'pcid', 'invpcid', 'la57', 'xsaves'] as const satisfies readonly CpuFeature[]

/** The first with APIC-timer virtualization. */
const CLEARWATER_FOREST = { family: 6, model: 0xdd, stepping: 0 } as const

export const CPU_MODELS = {
  max: { ...CLEARWATER_FOREST, brand: 'vtick emulated processor', features: without(), what: 'every feature that this emulator has' },
  'no-timer-virt': {
    ...CLEARWATER_FOREST,
    brand: 'vtick emulated processor',
    features: without('vmx-tertiary-ctls', 'apic-timer-virt'),
    what: 'VMX and APIC virtualization, no APIC-timer virtualization',
  },
  ClearwaterForest: {
    ...CLEARWATER_FOREST,
    brand: 'Intel Xeon Processor (ClearwaterForest)',
    features: without(),
    what: 'Clearwater Forest, the first Xeon with APIC-timer virtualization',
  },
  SapphireRapids: {
    family: 6,
    model: 0x8f,
    stepping: 4,
    brand: 'Intel Xeon Processor (SapphireRapids)',
    features: without('apic-timer-virt', 'wrmsrns'),
    what: 'Sapphire Rapids: tertiary controls, and no APIC-timer virtualization among them',
  },
  'kvm-guest': {
    ...CLEARWATER_FOREST,
    brand: 'vtick emulated processor',
    features: [...without(...HIDDEN_BY_KVM), 'hypervisor'],
    what: 'the CPU that a guest with nested VMX sees under KVM',
  },
} as const satisfies Readonly<Record<string, CpuModel>>

export type CpuModelName = keyof typeof CPU_MODELS

export const DEFAULT_CPU_MODEL: CpuModelName = 'max'

/** The features of the default model. */
export const DEFAULT_CPU_FEATURES: readonly CpuFeature[] = CPU_MODELS[DEFAULT_CPU_MODEL].features

/** QEMU takes an underscore for a hyphen in the names of features. */
export function featureNamed(text: string): CpuFeature | undefined {
  const name = text.replaceAll('_', '-')
  return CPU_FEATURES.find(feature => feature === name)
}

/** CPUID.01H:EAX: stepping 3:0, model 7:4 and 19:16, family 11:8 and 27:20 (SDM, "Version Information Returned by CPUID in EAX"). */
export function signatureOf({ family, model, stepping }: Pick<CpuModel, 'family' | 'model' | 'stepping'>): number {
  const base = Math.min(family, 15)
  const extended = family - base
  return ((extended << 20) | ((model >> 4) << 16) | (base << 8) | ((model & 15) << 4) | stepping) >>> 0
}

/** A feature that another one needs: without it the other is absent too. Needs of needs stand first. */
const NEEDS: readonly (readonly [CpuFeature, CpuFeature])[] = [
  ['sse', 'fxsr'],
  ['sse2', 'sse'],
  ['xsave', 'fxsr'],
  ['avx', 'xsave'],
  ['xsaveopt', 'xsave'],
  ['xsavec', 'xsave'],
  ['xgetbv1', 'xsave'],
  ['xsaves', 'xsavec'],
  ['vmx-tertiary-ctls', 'vmx'],
  ['apic-timer-virt', 'vmx-tertiary-ctls'],
]

/** The features that remain when those whose need is missing are dropped, in table order. */
export function closeFeatures(wanted: ReadonlySet<CpuFeature>): readonly CpuFeature[] {
  const kept = new Set(wanted)
  for (const [feature, need] of NEEDS) if (!kept.has(need)) kept.delete(feature)
  return CPU_FEATURES.filter(feature => kept.has(feature))
}

/** As many as have an ID in xAPIC mode beside the broadcast's. */
export const MAX_CPUS = 255
