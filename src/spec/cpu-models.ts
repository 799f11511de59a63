/**
 * CPU models: which features a processor has, by the names that QEMU uses for `-cpu model,+feature,-feature`. A feature is here
 * when the emulated CPU implements it.
 */

export const CPU_FEATURES = [
  'tsc',
  'msr',
  'pae',
  'pse',
  'de',
  'pge',
  'mce',
  'apic',
  'cmov',
  'nx',
  'lm',
  'pdpe1gb',
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
