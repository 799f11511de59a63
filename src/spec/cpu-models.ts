/**
 * CPU models: which features a processor has, by the names that QEMU uses for `-cpu model,+feature,-feature`. A feature is here
 * when the emulated CPU implements it.
 */

import { CR4, type Cr4Bit } from './cr-bits.ts'

export const CPU_FEATURES = [
  'tsc',
  'msr',
  'pae',
  'pse',
  'pse36',
  'de',
  'pge',
  'mce',
  'apic',
  'cmov',
  'nx',
  'lm',
  'pdpe1gb',
  'la57',
  'smep',
  'smap',
  'pcid',
  'invpcid',
  'rdtscp',
  'x2apic',
  'tsc-deadline',
  'tsc_adjust',
  'invtsc',
  'arat',
  'serialize',
  'vmx',
  'vmx-tertiary-ctls',
  'apic-timer-virt',
] as const

export type CpuFeature = (typeof CPU_FEATURES)[number]

/** Bits of CR4 that software may set on every model, and those that come with a feature. */
const CR4_ALWAYS: readonly Cr4Bit[] = ['VME', 'PVI', 'TSD', 'DE', 'PSE', 'PAE', 'MCE', 'PGE', 'OSFXSR', 'OSXMMEXCPT']
const CR4_WITH: readonly (readonly [Cr4Bit, CpuFeature])[] = [
  ['LA57', 'la57'],
  ['VMXE', 'vmx'],
  ['PCIDE', 'pcid'],
  ['SMEP', 'smep'],
  ['SMAP', 'smap'],
]

/** The bits of CR4 that may be set on a CPU with these features; setting another one is #GP. */
export function cr4Supported(features: readonly CpuFeature[]): bigint {
  const names = [...CR4_ALWAYS, ...CR4_WITH.filter(([, feature]) => features.includes(feature)).map(([name]) => name)]
  return names.reduce((mask, name) => mask | (1n << BigInt(CR4[name])), 0n)
}

export interface CpuModel {
  readonly features: readonly CpuFeature[]
  readonly what: string
}

const without = (...names: CpuFeature[]): readonly CpuFeature[] => CPU_FEATURES.filter(feature => !names.includes(feature))

export const CPU_MODELS = {
  max: { features: CPU_FEATURES, what: 'every feature that this emulator has' },
  'no-timer-virt': {
    features: without('vmx-tertiary-ctls', 'apic-timer-virt'),
    what: 'VMX and APIC virtualization, no APIC-timer virtualization',
  },
} as const satisfies Readonly<Record<string, CpuModel>>

export type CpuModelName = keyof typeof CPU_MODELS

export const DEFAULT_CPU_MODEL: CpuModelName = 'max'

/** A feature that another one needs: without it the other is absent too. */
const NEEDS: readonly (readonly [CpuFeature, CpuFeature])[] = [
  ['vmx-tertiary-ctls', 'vmx'],
  ['apic-timer-virt', 'vmx-tertiary-ctls'],
]

/** The features that remain when those whose need is missing are dropped, in table order. */
export function closeFeatures(wanted: ReadonlySet<CpuFeature>): readonly CpuFeature[] {
  const kept = new Set(wanted)
  for (const [feature, need] of NEEDS) if (!kept.has(need)) kept.delete(feature)
  return CPU_FEATURES.filter(feature => kept.has(feature))
}
