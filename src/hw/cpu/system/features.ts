/**
 * Which instructions a processor has, and which of them system software lets run (Intel SDM, "CPUID"; "Checking for
 * Instruction Support"; "Exception Summary" of the SSE, AVX, XSAVE and FSGSBASE instructions).
 */

import type { CpuidFeatureName } from '../../../spec/cpuid.ts'
import { CR0, CR4 } from '../../../spec/cr-bits.ts'
import type { Engine } from '../engine.ts'
import { AVX_STATE, SSE_STATE } from '../extended-state.ts'
import { Fault, undefinedOpcode, VECTOR } from '../faults.ts'

export const hasFeature = (engine: Engine, feature: CpuidFeatureName): boolean => engine.features.has(feature)

/** The CR4 bit that software sets to allow a feature's instructions. */
const ENABLED_BY: Partial<Record<CpuidFeatureName, number>> = {
  sse: CR4.OSFXSR,
  sse2: CR4.OSFXSR,
  avx: CR4.OSXSAVE,
  xsave: CR4.OSXSAVE,
  xsaveopt: CR4.OSXSAVE,
  xsavec: CR4.OSXSAVE,
  xsaves: CR4.OSXSAVE,
  fsgsbase: CR4.FSGSBASE,
  pku: CR4.PKE,
}

/** SSE instructions are undefined with CR0.EM set; AVX ones do not ask. */
const UNDEFINED_BY_EM: ReadonlySet<CpuidFeatureName> = new Set(['sse', 'sse2', 'fxsr', 'mmx'])
/** AVX instructions want SSE and AVX state in XCR0. */
const NEEDS_AVX_STATE: ReadonlySet<CpuidFeatureName> = new Set(['avx'])
const AVX_ENABLED = SSE_STATE | AVX_STATE
/** CR0.TS makes the first use of another task's registers known. */
const TRAPPED_BY_TS: ReadonlySet<CpuidFeatureName> = new Set(['sse', 'sse2', 'avx', 'fxsr', 'mmx'])

const isSet = (value: bigint, position: number): boolean => (value & (1n << BigInt(position))) !== 0n

export function requireFeature(engine: Engine, feature: CpuidFeatureName): void {
  if (!hasFeature(engine, feature)) throw undefinedOpcode()
  const { cr } = engine.registers
  const enabled = ENABLED_BY[feature]
  if (enabled !== undefined && !isSet(cr[4]!, enabled)) throw undefinedOpcode()
  if (NEEDS_AVX_STATE.has(feature) && (engine.registers.xcr0[0]! & AVX_ENABLED) !== AVX_ENABLED) throw undefinedOpcode()
  if (UNDEFINED_BY_EM.has(feature) && isSet(cr[0]!, CR0.EM)) throw undefinedOpcode()
  if (TRAPPED_BY_TS.has(feature) && isSet(cr[0]!, CR0.TS)) throw new Fault(VECTOR.NM, null)
}
