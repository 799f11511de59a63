/** How wide addresses are on this CPU (CPUID 80000008H:EAX), and what follows for a linear one. */

export const PHYSICAL_ADDRESS_BITS = 46
export const LINEAR_ADDRESS_BITS = 48

/** Whether the bits from the highest implemented one up are all alike (Intel SDM, "Canonical Addressing"). */
export const isCanonical = (linear: bigint): boolean => BigInt.asIntN(LINEAR_ADDRESS_BITS, linear) === BigInt.asIntN(64, linear)
