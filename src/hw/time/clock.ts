/**
 * The TSC and its views (Intel SDM, "Time-Stamp Counter"; "RDTSC" in VMX non-root operation; "APIC-timer virtualization").
 *
 *     virtual = ((physical * multiplier) >> 48) + offset        with TSC scaling and offsetting
 *     virtual = physical + offset                               with offsetting alone
 */

import { MAX_U64, shiftRight } from '../../base/u64.ts'
import type { GuestTsc, HostTsc } from '../../base/units.ts'
import { guestTsc, hostTsc, TSC_AT_START } from '../../base/units.ts'
import { NEVER } from './event-queue.ts'

export const MULTIPLIER_ONE = 1n << 48n

/** The physical TSC at a tick, moved by what software wrote to IA32_TSC (kept as IA32_TSC_ADJUST). */
export const physicalTsc = (tick: number, adjust: bigint): HostTsc => hostTsc(TSC_AT_START + BigInt(tick) + adjust)

/** The first tick at which the physical TSC reaches a value: the past as 0, what no tick below 2^53 reaches as `NEVER`. */
export function tickOf(tsc: bigint, adjust: bigint): number {
  const ticks = tsc - TSC_AT_START - BigInt.asIntN(64, adjust)
  return ticks <= 0n ? 0 : ticks >= BigInt(NEVER) ? NEVER : Number(ticks)
}

/** How a guest's TSC follows from the physical one. No offsetting: offset 0 and multiplier 1.0. */
export interface TscView {
  readonly offset: bigint
  /** Fixed point with 48 fractional bits, not 0. */
  readonly multiplier: bigint
}

export const virtualTsc = (physical: bigint, view: TscView): GuestTsc => guestTsc(shiftRight(physical * view.multiplier, 48) + view.offset)

/** What a write of a deadline does: disarm, an event at once, or a physical deadline. */
export type DeadlineWrite = { readonly kind: 'disarm' | 'now' } | { readonly kind: 'armed'; readonly deadline: bigint }

/**
 * The physical tick at which the virtual TSC first reaches `written`. The manual leaves rounding and overflow open: rounding
 * up never fires while RDTSC still shows less than the deadline, and what no 64-bit TSC reaches is held at 2^64 - 1.
 */
export function convertDeadline(written: bigint, physical: bigint, view: TscView): DeadlineWrite {
  if (written === 0n) return { kind: 'disarm' }
  const now = virtualTsc(physical, view)
  if (written <= now) return { kind: 'now' }
  const unbounded = shiftRight(physical * view.multiplier, 48) + (written - now)
  const rounded = ((unbounded << 48n) + view.multiplier - 1n) / view.multiplier
  return { kind: 'armed', deadline: rounded > MAX_U64 ? MAX_U64 : rounded }
}
