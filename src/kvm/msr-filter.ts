/**
 * Which MSRs the guest may reach (KVM_X86_SET_MSR_FILTER), and which failed accesses user space wants to see (the capability
 * KVM_CAP_X86_USER_SPACE_MSR). It is about RDMSR, WRMSR and the MSR areas of nested VM entries and exits; what else touches an MSR (RDPID,
 * SYSENTER, fields of vmcs12) does not ask, and neither does user space itself.
 */

import { APIC_BASE_MSR, APIC_MSR_END } from '../spec/apic-registers.ts'
import { KvmError } from './error.ts'
import type { VmState } from './state.ts'

export type MsrDirection = 'read' | 'write'

/** `struct kvm_msr_filter_range`. */
export interface MsrFilterRange {
  readonly directions: readonly MsrDirection[]
  readonly base: number
  readonly count: number
  /** A bit for each MSR of the range, the first in bit 0 of byte 0: 1 allows. */
  readonly bitmap: Uint8Array
}

/** `struct kvm_msr_filter`: the first range that an access falls into decides; without one `otherwise` does. */
export interface MsrFilter {
  readonly otherwise: 'allow' | 'deny'
  readonly ranges: readonly MsrFilterRange[]
}

/** KVM_MSR_EXIT_REASON_*: KVM does not have the MSR, the value or the moment is wrong, the filter denies it. */
export type MsrExitReason = 'unknown' | 'invalid' | 'filter'

const MAX_RANGES = 16
const MAX_BITMAP_BYTES = 0x600

/** Takes effect at the next access. EINVAL for what Linux refuses: too many or too large ranges, and denying everything without a range. */
export function setMsrFilter(vm: VmState, { otherwise, ranges }: MsrFilter): void {
  if (ranges.length > MAX_RANGES) throw new KvmError('EINVAL', `an MSR filter has at most ${MAX_RANGES} ranges`)
  const used = ranges.filter(({ count }) => count > 0)
  if (used.length === 0 && otherwise === 'deny') throw new KvmError('EINVAL', 'a filter that denies by default needs a range')
  for (const { count, bitmap } of used) {
    if (bitmap.length > MAX_BITMAP_BYTES || count > 8 * bitmap.length)
      throw new KvmError('EINVAL', `a range has a bit for each of its MSRs, in at most ${MAX_BITMAP_BYTES} bytes`)
  }
  if (used.length === 0) delete vm.msrFilter
  else vm.msrFilter = structuredClone({ otherwise, ranges: used })
}

/** The registers of an x2APIC are always allowed. */
export function isMsrAllowed({ msrFilter }: VmState, index: number, direction: MsrDirection): boolean {
  if (msrFilter === undefined || (index >= APIC_BASE_MSR && index < APIC_MSR_END)) return true
  for (const { directions, base, count, bitmap } of msrFilter.ranges) {
    const at = index - base
    if (at >= 0 && at < count && directions.includes(direction)) return ((bitmap[at >> 3]! >> (at & 7)) & 1) === 1
  }
  return msrFilter.otherwise === 'allow'
}
