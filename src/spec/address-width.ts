/** How wide addresses are on this CPU (CPUID 80000008H:EAX), and what follows for a linear one. */

export const PHYSICAL_ADDRESS_BITS = 46

/** Bits of a linear address: 48, or 57 with 5-level paging. */
export type LinearBits = 48 | 57

/** The widest linear addresses of a CPU with these features: what counts for registers that hold one (SDM, "Canonicality Checking"). */
export const widestLinear = (features: readonly string[]): LinearBits => (features.includes('la57') ? 57 : 48)

/** Whether the bits from the highest implemented one up are all alike (Intel SDM, "Canonical Addressing"). */
export const isCanonical = (linear: bigint, bits: LinearBits = 48): boolean =>
  (bits === 48 ? BigInt.asIntN(48, linear) : BigInt.asIntN(57, linear)) === BigInt.asIntN(64, linear)
