/** How wide addresses are on this CPU (CPUID 80000008H:EAX), and what follows for a linear one. */

import { s64 } from '../base/u64.ts'

export const PHYSICAL_ADDRESS_BITS = 46
export const LINEAR_ADDRESS_BITS = 48

export const isCanonical = (linear: number): boolean =>
  linear >= -(2 ** (LINEAR_ADDRESS_BITS - 1)) && linear < 2 ** (LINEAR_ADDRESS_BITS - 1)

/** The linear address as a number, exact for every canonical address. */
export const linearNumber = (linear: bigint): number => Number(s64(linear))
