/**
 * Nested state of a vCPU whose L2 runs: a state taken from one is accepted by another, and refused where the other's processor lacks
 * what it holds (patch 28 of the series). The state is taken when the L2 of a guest hypervisor has come back from user space.
 */

import { describe, expect, test } from 'vitest'
import type { NestedStateImage } from '../../src/kvm/nested/nested-state-ioctls.ts'
import type { KvmState } from '../../src/kvm/state.ts'
import type { Vcpu } from '../../src/kvm/vcpu.ts'
import type { RunOptions } from '../../src/session/config.ts'
import { drive, type GuestRun } from '../../src/session/guest-run.ts'
import { errnoOf, started } from './rig.ts'

const GUEST = 'examples/masked.asm'
const WITHOUT: RunOptions = { level: 'L2', parameters: { nested_apic_timer_virt: false } }

/** Runs until L2 is what KVM will enter next. */
function inGuestMode(options: RunOptions): GuestRun {
  const guest = started(GUEST, options)
  const state = (guest.machine.host as KvmState).vms[0]!.vcpus[0]!
  drive(guest, 1_000_000, () => state.phase === 'enter' && state.nested.guestMode && !state.nested.runPending)
  return guest
}

const stateOf = (options: RunOptions): NestedStateImage => inGuestMode(options).vmm!.vcpu.getNestedState()
const fresh = (options: RunOptions): Vcpu => started(GUEST, options).vmm!.vcpu

function changed(state: NestedStateImage, change: (view: DataView) => void): NestedStateImage {
  const vmcs12 = state.vmcs12!.slice()
  change(new DataView(vmcs12.buffer))
  return { ...state, vmcs12 }
}

test('no enlightened VMCS is offered: CPUID has no leaf of Hyper-V', () => {
  const leaves = fresh({})
    .getCpuid2()
    .map(({ leaf }) => leaf)
  expect(leaves).toContain(0x4000_0000)
  expect(leaves.filter(leaf => leaf >= 0x4000_0002 && leaf < 0x4000_0100)).toEqual([])
})

describe('the nested state of a running L2', () => {
  const state = stateOf(WITHOUT)
  test('is taken in guest mode and accepted by a fresh vCPU, which gives it back', () => {
    expect(state).toMatchObject({ guestMode: true, runPending: false })
    const vcpu = fresh(WITHOUT)
    vcpu.setNestedState(state)
    expect(vcpu.getNestedState()).toEqual(state)
  })
  test.each<[string, (view: DataView) => void]>([
    ['primary bit 17', view => view.setUint32(748, view.getUint32(748, true) | (1 << 17), true)],
    ['tertiary bit 8', view => view.setBigUint64(336, 0x100n, true)],
    ['a timer vector', view => view.setUint16(998, 128, true)],
    ['a deadline', view => view.setBigUint64(1000, 0xffffn, true)],
    ['a deadline shadow', view => view.setBigUint64(1008, 0xffffn, true)],
  ])('%s, which the vCPU does not have, is EINVAL', (_title, change) => {
    expect(errnoOf(() => fresh(WITHOUT).setNestedState(changed(state, change)))).toBe('EINVAL')
  })
  test('with the feature the state is accepted by a vCPU that has it too', () => {
    const armed = stateOf({ level: 'L2' })
    expect(errnoOf(() => fresh({ level: 'L2' }).setNestedState(armed))).toBe('none')
  })
})
