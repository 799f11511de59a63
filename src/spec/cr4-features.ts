/**
 * Which CPUID feature each bit of CR4 comes with (Intel SDM, "Control Registers"): without the feature the bit is reserved, and
 * setting it raises #GP. The CPU asks its own features, KVM those it gives the guest (Linux `__cr4_reserved_bits`).
 */

import type { CpuidFeatureName } from './cpuid.ts'
import { CR4, type Cr4Bit } from './cr-bits.ts'

/** PCE has none; SMXE, KL, CET and the later ones belong to features that no model has, by whatever name. */
const FEATURE_OF: Partial<Record<Cr4Bit, CpuidFeatureName | null>> = {
  VME: 'vme',
  PVI: 'vme',
  TSD: 'tsc',
  DE: 'de',
  PSE: 'pse',
  PAE: 'pae',
  MCE: 'mce',
  PGE: 'pge',
  PCE: null,
  OSFXSR: 'fxsr',
  OSXMMEXCPT: 'sse',
  UMIP: 'umip',
  LA57: 'la57',
  VMXE: 'vmx',
  FSGSBASE: 'fsgsbase',
  PCIDE: 'pcid',
  OSXSAVE: 'xsave',
  SMEP: 'smep',
  SMAP: 'smap',
  PKE: 'pku',
  PKS: 'pks',
  FRED: 'fred',
}

/** The bits that software may set. */
export function cr4Bits(has: (feature: CpuidFeatureName) => boolean): bigint {
  let bits = 0n
  for (const [name, feature] of Object.entries(FEATURE_OF) as [Cr4Bit, CpuidFeatureName | null][])
    if (feature === null || has(feature)) bits |= 1n << BigInt(CR4[name])
  return bits
}
