/** VMX capability MSRs, set and read by user space: the eight rows that the series added to its test of VMX MSRs (patch 26), by number. */

import { describe, expect, test } from 'vitest'
import type { Kvm } from '../../src/kvm/kvm.ts'
import type { Vcpu } from '../../src/kvm/vcpu.ts'
import type { RunOptions } from '../../src/session/config.ts'
import { errnoOf, idleVcpu, msrOf, setMsr, started } from './rig.ts'

const PROCBASED = 0x482
const TRUE_PROCBASED = 0x48e
const TERTIARY = 0x492
const UCODE_REV = 0x8b
const BIT_17_ALLOWED = 1n << 49n
const TIMER = 0x100n

/** The kvm that a vCPU's VM belongs to, and the vCPU. */
function opened(parameters: RunOptions['parameters'] = {}): { kvm: Kvm; vcpu: Vcpu } {
  const { kvm, vcpu } = started('examples/masked.asm', { parameters }).vmm!
  return { kvm, vcpu }
}

const featureOf = (kvm: Kvm, index: number): bigint | undefined => kvm.getMsrs([index])[0]?.data
const bitsOf = (value: bigint): bigint[] => Array.from({ length: 64 }, (_, bit) => 1n << BigInt(bit)).filter(bit => (value & bit) !== 0n)

/** Rows 4 and 5: 0x492 is set to 0 and back, then to all but each of its bits and back. */
function setsTertiary(vcpu: Vcpu): boolean {
  const before = msrOf(vcpu, TERTIARY)!
  const values = [0n, before, ...bitsOf(before).flatMap(bit => [before & ~bit, before])]
  return values.every(value => setMsr(vcpu, TERTIARY, value) && msrOf(vcpu, TERTIARY) === value)
}

describe('with nested APIC-timer virtualization', () => {
  const { kvm, vcpu } = opened()
  test('1: activating the tertiary controls may be 1 and is no must', () => {
    const feature = featureOf(kvm, PROCBASED)!
    expect([feature & (1n << 17n), feature & BIT_17_ALLOWED]).toEqual([0n, BIT_17_ALLOWED])
    expect(msrOf(vcpu, PROCBASED)).toBe(feature)
  })
  test('2: 0x492 is in the list of feature MSRs, and in that of a vCPU', () => {
    expect(kvm.getMsrFeatureIndexList()).toContain(TERTIARY)
    expect(kvm.getMsrIndexList()).toContain(TERTIARY)
  })
  test('3: the vCPU has the value of the module: the timer and nothing else', () => {
    expect([msrOf(vcpu, TERTIARY), featureOf(kvm, TERTIARY)]).toEqual([TIMER, TIMER])
  })
  test('4, 5: user space takes all bits or one away and gives them back', () => {
    expect(setsTertiary(vcpu)).toBe(true)
  })
  test('6: user space reaches 0x492 whatever bit 17 says', () => {
    const before = msrOf(vcpu, TRUE_PROCBASED)!
    expect(setMsr(vcpu, TRUE_PROCBASED, before & 0xffff_ffffn & ~(1n << 17n))).toBe(true)
    expect(msrOf(vcpu, PROCBASED)! & BIT_17_ALLOWED).toBe(0n)
    expect(setsTertiary(vcpu)).toBe(true)
    expect(setMsr(vcpu, TRUE_PROCBASED, before)).toBe(true)
  })
  test('a bit that KVM does not offer is refused', () => {
    expect([setMsr(vcpu, TERTIARY, TIMER | 0x10n), msrOf(vcpu, TERTIARY)]).toEqual([false, TIMER])
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
  const { kvm, vcpu } = opened(parameters)
  test('1, 7: bit 17 is not offered, and 0x492 is in no list', () => {
    expect(featureOf(kvm, TRUE_PROCBASED)! & (BIT_17_ALLOWED | (1n << 17n))).toBe(0n)
    expect([kvm.getMsrFeatureIndexList().includes(TERTIARY), kvm.getMsrIndexList().includes(TERTIARY)]).toEqual([false, false])
  })
  test('8: a vCPU does not have it', () => {
    expect([featureOf(kvm, TERTIARY), msrOf(vcpu, TERTIARY), setMsr(vcpu, TERTIARY, 0n)]).toEqual([undefined, undefined, false])
  })
})

describe.each([{}, { nested_apic_timer_virt: false }, { nested: false }])('the lists of MSRs, with %o', parameters => {
  const { kvm, vcpu } = opened(parameters)
  const isVmx = (index: number): boolean => index >= 0x480 && index < 0x500
  test('hold no MSR twice, and each of them has a value', () => {
    for (const [list, values] of [
      [kvm.getMsrIndexList(), vcpu.getMsrs(kvm.getMsrIndexList())],
      [kvm.getMsrFeatureIndexList(), kvm.getMsrs(kvm.getMsrFeatureIndexList())],
    ] as const) {
      expect(new Set(list).size).toBe(list.length)
      expect(values.map(({ index }) => index)).toEqual(list)
      expect(list.some(isVmx)).toBe(parameters.nested !== false)
    }
  })
  test('what a vCPU gives for the MSRs of its state it takes back', () => {
    const values = vcpu.getMsrs(kvm.getMsrIndexList())
    expect(vcpu.setMsrs(values)).toBe(values.length)
  })
  test('an MSR that tells of nothing ends the answer', () => {
    expect(kvm.getMsrs([UCODE_REV, 0x10, UCODE_REV]).map(({ index }) => index)).toEqual([UCODE_REV])
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
