/**
 * Guest TSCs (Linux `arch/x86/kvm/x86.c`): guest = ((host * multiplier) >> 48) + offset. Deadlines of the guest are turned into
 * host TSC values in one place.
 */

import { MAX_U64, shiftRight } from '../base/u64.ts'
import { type GuestTsc, guestTsc, type HostTsc, hostTsc } from '../base/units.ts'
import type { Context } from './context.ts'
import { trace } from './context.ts'
import { readVmcs12, vmcs12Has } from './nested/vmcs12.ts'
import { setControl } from './vmcs01.ts'

export const MULTIPLIER_ONE = 1n << 48n

const scale = (host: bigint, multiplier: bigint): bigint => BigInt.asUintN(64, shiftRight(host * multiplier, 48))

export const guestNow = ({ cpu, vcpu }: Context): GuestTsc => guestTsc(scale(cpu.rdtsc(), vcpu.tscMultiplier) + vcpu.tscOffset)

/** How L2's TSC follows from L1's: its offset and multiplier of vmcs12, where it uses them (Linux `kvm_calc_nested_tsc_offset`). */
function nestedTsc(c: Context): { offset: bigint; multiplier: bigint } {
  const { vcpu } = c
  if (!vmcs12Has(c, 'CPU_BASED_USE_TSC_OFFSETTING')) return { offset: vcpu.tscOffset, multiplier: vcpu.tscMultiplier }
  const offset = readVmcs12(c, 'TSC_OFFSET')
  if (!vmcs12Has(c, 'SECONDARY_EXEC_TSC_SCALING'))
    return { offset: BigInt.asUintN(64, vcpu.tscOffset + offset), multiplier: vcpu.tscMultiplier }
  const scaling = readVmcs12(c, 'TSC_MULTIPLIER')
  const scaled = shiftRight(BigInt.asIntN(64, vcpu.tscOffset) * scaling, 48)
  return {
    offset: BigInt.asUintN(64, scaled + offset),
    multiplier: BigInt.asUintN(64, shiftRight(vcpu.tscMultiplier * scaling, 48)),
  }
}

/** What RDTSC returns to the guest that runs, L1 or L2. */
export function currentTsc(c: Context): GuestTsc {
  if (!c.vcpu.nested.guestMode) return guestNow(c)
  const { offset, multiplier } = nestedTsc(c)
  return guestTsc(scale(c.cpu.rdtsc(), multiplier) + offset)
}

/** Tells the CPU the TSC of the guest that runs. */
export function writeTscControls(c: Context): void {
  const { cpu, vcpu } = c
  const { offset, multiplier } = vcpu.nested.guestMode ? nestedTsc(c) : { offset: vcpu.tscOffset, multiplier: vcpu.tscMultiplier }
  cpu.vmwrite('TSC_OFFSET', offset)
  setControl(c, 'SECONDARY_EXEC_TSC_SCALING', multiplier !== MULTIPLIER_ONE)
  cpu.vmwrite('TSC_MULTIPLIER', multiplier)
}

/** L1's TSC at a host TSC. */
export const l1TscAt = ({ vcpu }: Context, host: bigint): bigint => BigInt.asUintN(64, scale(host, vcpu.tscMultiplier) + vcpu.tscOffset)

/** Sets the offset so that L1's TSC reads `value` now. */
export function setGuestTsc(c: Context, value: bigint): void {
  const { cpu, vcpu } = c
  setTscOffset(c, value - scale(cpu.rdtsc(), vcpu.tscMultiplier))
}

export function setTscOffset(c: Context, offset: bigint): void {
  const { vcpu } = c
  const next = BigInt.asUintN(64, offset)
  trace(c, 'kvm_write_tsc_offset', { previous: vcpu.tscOffset, next })
  vcpu.tscOffset = next
  writeTscControls(c)
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
export const nsToCycles = ({ vcpu }: Context, ns: number): bigint => (BigInt(ns) * BigInt(vcpu.tscKhz)) / 1_000_000n
export const cyclesToNs = ({ vcpu }: Context, cycles: bigint): bigint => (cycles * 1_000_000n) / BigInt(vcpu.tscKhz)
