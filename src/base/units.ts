/**
 * Quantities that must not be mixed. A host TSC is not a guest TSC, a guest-physical address is not a host-physical one.
 * Physical addresses and ticks are numbers below 2^53; TSC values are 64-bit and therefore bigint.
 */

declare const unit: unique symbol
type Branded<Base, Name extends string> = Base & { readonly [unit]: Name }

/** Host-physical address. */
export type Hpa = Branded<number, 'Hpa'>
/** Guest-physical address, of whichever guest the context names. */
export type Gpa = Branded<number, 'Gpa'>
/** One cycle of the host's TSC since the machine was made. */
export type Tick = Branded<number, 'Tick'>
/** What RDTSC returns outside VMX non-root operation. */
export type HostTsc = Branded<bigint, 'HostTsc'>
/** What RDTSC returns to the guest in question. */
export type GuestTsc = Branded<bigint, 'GuestTsc'>

export const hpa = (value: number): Hpa => value as Hpa
export const gpa = (value: number): Gpa => value as Gpa
export const tick = (value: number): Tick => value as Tick
export const hostTsc = (value: bigint): HostTsc => BigInt.asUintN(64, value) as HostTsc
export const guestTsc = (value: bigint): GuestTsc => BigInt.asUintN(64, value) as GuestTsc

/** The host TSC at tick 0: guest counters with an offset of minus the TSC have room behind them. */
export const TSC_AT_START = 1n << 40n

export const PAGE_SIZE = 4096
