/** VMX capability MSRs, set and read by user space: the rows that the series added to its test of VMX MSRs (patch 26). */

import { describe, expect, test } from 'vitest'
import { errnoOf, idleVcpu, msrOf, setMsr } from './rig.ts'

const PROCBASED = 0x482
const TRUE_PROCBASED = 0x48e
const TERTIARY = 0x492
const BIT_17_ALLOWED = 1n << 49n
const TIMER = 0x100n

describe('with nested APIC-timer virtualization', () => {
  const vcpu = idleVcpu()
  test('activating the tertiary controls may be 1 and is no must', () => {
    expect([msrOf(vcpu, PROCBASED)! & (1n << 17n), msrOf(vcpu, PROCBASED)! & BIT_17_ALLOWED]).toEqual([0n, BIT_17_ALLOWED])
  })
  test('0x492 offers the timer and nothing else', () => {
    expect(msrOf(vcpu, TERTIARY)).toBe(TIMER)
  })
  test('user space takes the bit away and gives it back', () => {
    expect([setMsr(vcpu, TERTIARY, 0n), setMsr(vcpu, TERTIARY, TIMER)]).toEqual([true, true])
  })
  test('a bit that KVM does not offer is refused', () => {
    expect([setMsr(vcpu, TERTIARY, TIMER | 0x10n), msrOf(vcpu, TERTIARY)]).toEqual([false, TIMER])
  })
  test('user space reaches 0x492 whatever bit 17 says', () => {
    const before = msrOf(vcpu, TRUE_PROCBASED)!
    const low = before & 0xffff_ffffn
    expect(setMsr(vcpu, TRUE_PROCBASED, low | (low << 32n))).toBe(true)
    expect(msrOf(vcpu, PROCBASED)! & BIT_17_ALLOWED).toBe(0n)
    expect([setMsr(vcpu, TERTIARY, 0n), setMsr(vcpu, TERTIARY, TIMER), msrOf(vcpu, TERTIARY)]).toEqual([true, true, TIMER])
    expect(setMsr(vcpu, TRUE_PROCBASED, before)).toBe(true)
  })
  test('IA32_VMX_CR4_FIXED1 has the bits of the features that the CPUID of the guest tells of, and no other', () => {
    const PCIDE = 1n << 17n
    const SMEP = 1n << 20n
    expect(msrOf(vcpu, 0x489)! & (PCIDE | SMEP)).toBe(SMEP)
  })
  test('the must-be-1 bits stay', () => {
    const before = msrOf(vcpu, TRUE_PROCBASED)!
    expect(setMsr(vcpu, TRUE_PROCBASED, before & ~0x2n)).toBe(false)
  })
})

describe.each([{ apic_timer_virt: false }, { nested_apic_timer_virt: false }])('with %o', parameters => {
  const vcpu = idleVcpu({ parameters })
  test('bit 17 is not offered, and 0x492 does not exist', () => {
    expect(msrOf(vcpu, TRUE_PROCBASED)! & BIT_17_ALLOWED).toBe(0n)
    expect([msrOf(vcpu, TERTIARY), setMsr(vcpu, TERTIARY, 0n)]).toEqual([undefined, false])
  })
})

/** A state in VMX operation with a current VMCS that is all zeros but for its revision. */
const vmcs12 = (change: (view: DataView) => void = () => {}): Uint8Array => {
  const bytes = new Uint8Array(4096)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, 0x11e5_7ed0, true)
  change(view)
  return bytes
}
const inVmxOperation = { guestMode: false, runPending: false, vmxonPa: 0x1000, vmcs12Pa: 0x2000, preemptionDeadline: 0n, halted: false }
const vmxOff = { ...inVmxOperation, vmxonPa: -1, vmcs12Pa: -1, vmcs12: null }

describe('nested state', () => {
  test('outside guest mode the contents of the VMCS are not looked at', () => {
    const vcpu = idleVcpu()
    const edited = vmcs12(view => {
      view.setBigUint64(336, TIMER, true)
      view.setUint16(998, 128, true)
      view.setBigUint64(1000, 0xffffn, true)
      view.setBigUint64(1008, 0xffffn, true)
    })
    expect(errnoOf(() => vcpu.setNestedState({ ...inVmxOperation, vmcs12: edited }))).toBe('none')
    expect(vcpu.getNestedState()).toMatchObject({ vmxonPa: 0x1000, vmcs12Pa: 0x2000, guestMode: false })
    expect(vcpu.getNestedState().vmcs12).toEqual(edited)
  })
  test('in VMX operation the capability MSRs are fixed', () => {
    const vcpu = idleVcpu()
    vcpu.setNestedState({ ...inVmxOperation, vmcs12: vmcs12() })
    expect(setMsr(vcpu, TERTIARY, 0n)).toBe(false)
    vcpu.setNestedState(vmxOff)
    expect(setMsr(vcpu, TERTIARY, 0n)).toBe(true)
  })
  test.each([
    ['a VMCS without VMX operation', { ...vmxOff, vmcs12Pa: 0x2000 }],
    ['a VMXON pointer inside a page', { ...inVmxOperation, vmxonPa: 0x1001, vmcs12: vmcs12() }],
    ['a VMCS in the VMXON region', { ...inVmxOperation, vmcs12Pa: 0x1000, vmcs12: vmcs12() }],
    ['another revision', { ...inVmxOperation, vmcs12: vmcs12(view => view.setUint32(0, 1, true)) }],
    ['guest mode without a VMCS', { ...inVmxOperation, guestMode: true, vmcs12: null }],
    ['guest mode with controls that no entry accepts', { ...inVmxOperation, guestMode: true, vmcs12: vmcs12() }],
  ])('%s: EINVAL', (_title, state) => {
    expect(errnoOf(() => idleVcpu().setNestedState(state))).toBe('EINVAL')
  })
})
