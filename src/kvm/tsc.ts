/**
 * Guest TSCs (Linux `arch/x86/kvm/x86.c`): guest = ((host * multiplier) >> 48) + offset. Deadlines of the guest are turned into
 * host TSC values in one place.
 */

import { MAX_U64, shiftRight } from '../base/u64.ts'
import { type GuestTsc, guestTsc, type HostTsc, hostTsc } from '../base/units.ts'
import type { Context } from './context.ts'
import { trace } from './context.ts'

export const MULTIPLIER_ONE = 1n << 48n

const scale = (host: bigint, multiplier: bigint): bigint => BigInt.asUintN(64, shiftRight(host * multiplier, 48))

export const guestNow = ({ cpu, vcpu }: Context): GuestTsc => guestTsc(scale(cpu.rdtsc(), vcpu.tscMultiplier) + vcpu.tscOffset)

/** Sets the offset so that the guest's TSC reads `value` now. */
export function setGuestTsc(c: Context, value: bigint): void {
  const { cpu, vcpu } = c
  const next = BigInt.asUintN(64, value - scale(cpu.rdtsc(), vcpu.tscMultiplier))
  trace(c, 'kvm_write_tsc_offset', { previous: vcpu.tscOffset, next })
  vcpu.tscOffset = next
  cpu.vmwrite('TSC_OFFSET', next)
}

/**
 * The host TSC at which the guest's first reaches `deadline`: 0 stays 0 (disarmed), the past is 1 (fires at once), what no
 * 64-bit counter reaches is held at 2^64 - 1. Rounds up, so that it is never early.
 */
export function toHost(c: Context, deadline: bigint): HostTsc {
  if (deadline === 0n) return hostTsc(0n)
  const { vcpu, cpu } = c
  const now = guestNow(c)
  if (deadline <= now) return hostTsc(1n)
  const scaledNow = shiftRight(cpu.rdtsc() * vcpu.tscMultiplier, 48)
  const unbounded = ((scaledNow + (deadline - now)) << 48n) + vcpu.tscMultiplier - 1n
  const host = unbounded / vcpu.tscMultiplier
  return hostTsc(host > MAX_U64 ? MAX_U64 : host)
}

/** Nanoseconds as cycles of the guest's TSC, rounded down. */
export const nsToCycles = ({ vm }: Context, ns: number): bigint => (BigInt(ns) * BigInt(vm.tscKhz)) / 1_000_000n
export const cyclesToNs = ({ vm }: Context, cycles: bigint): bigint => (cycles * 1_000_000n) / BigInt(vm.tscKhz)
