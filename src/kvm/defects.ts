/**
 * Where the series as it was posted goes wrong, this KVM goes right; each of these switches brings one of the mistakes back, so that it
 * can be seen what a test is worth. A patch number is that of the first posting.
 */

import type { KvmState } from './state.ts'

export const DEFECTS = {
  'scaled-offset': { patch: 6, what: 'with TSC scaling, a deadline is converted to host TSC without subtracting the TSC offset first' },
  'rounded-down': {
    patch: 6,
    what: 'the conversion rounds down, and takes a deadline within the current host tick for one that never comes',
  },
  'stale-vector': { patch: 2, what: 'a new vector in LVTT does not reach the virtual timer vector while the guest timer is in use' },
  'stale-deadline': { patch: 4, what: 'the armed deadline stays as it was when the TSC offset or multiplier changes' },
  'stale-vmcs01': { patch: 8, what: 'a guest timer that becomes unusable while L2 runs stays switched on in vmcs01' },
  'stale-high-half': { patch: 15, what: 'VMREAD of the high half of a deadline does not fetch it from vmcs02 first' },
  'cleared-shadow': { patch: 15, what: 'the deadline shadow becomes 0 when L2 runs without the guest timer' },
  'missing-wakeup': { patch: 15, what: 'nothing wakes an L2 that KVM itself has halted when its deadline comes' },
} as const satisfies Readonly<Record<string, { readonly patch: number; readonly what: string }>>

export type DefectName = keyof typeof DEFECTS

export const DEFECT_NAMES = Object.keys(DEFECTS) as readonly DefectName[]

export const isDefectName = (name: unknown): name is DefectName => typeof name === 'string' && Object.hasOwn(DEFECTS, name)

export const hasDefect = ({ kvm }: { readonly kvm: KvmState }, name: DefectName): boolean => kvm.defects?.includes(name) ?? false
