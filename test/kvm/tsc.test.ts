/** The guest's TSC under user space's hands: KVM_SET_TSC_KHZ, the attribute KVM_VCPU_TSC_OFFSET, IA32_TSC and IA32_TSC_ADJUST. */

import { describe, expect, test } from 'vitest'
import type { Vcpu } from '../../src/kvm/vcpu.ts'
import { errnoOf, hostTscOf, idleVcpu, msrOf, setMsr } from './rig.ts'
import { userSpace } from './user-space.ts'

const TSC = 0x10
const ADJUST = 0x3b
const HOST_KHZ = 2_000_000n

/** The guest's TSC as the host's gives it, in unbounded arithmetic (Intel SDM, "Use TSC scaling"). */
const expected = (vcpu: Vcpu, khz: bigint): bigint => {
  const multiplier = (khz << 48n) / HOST_KHZ
  return BigInt.asUintN(64, ((hostTscOf(vcpu) * multiplier) >> 48n) + vcpu.getTscOffset())
}

describe('KVM_SET_TSC_KHZ', () => {
  test.each([0, -1, 1.5, 2 ** 31, Number.NaN])('%d kHz: EINVAL', khz => {
    expect(errnoOf(() => idleVcpu().setTscKhz(khz))).toBe('EINVAL')
  })
  test('until it is set, the frequency is the host’s', () => expect(idleVcpu().getTscKhz()).toBe(Number(HOST_KHZ)))
  test.each([1, 1000, 1_999_999, 2_000_000, 3_333_333, 0x7fff_ffff])('%d kHz scales the host’s TSC', khz => {
    const vcpu = idleVcpu()
    vcpu.setTscKhz(khz)
    expect(vcpu.getTscKhz()).toBe(khz)
    expect(msrOf(vcpu, TSC)).toBe(expected(vcpu, BigInt(khz)))
  })
  test.each([500_000, 1_000_000, 4_000_000])('a guest at %d kHz sees so many ticks pass in the time of a loop', khz => {
    const loop = 'read_tsc\nmov r8, rax\nmov ecx, 100000\n.l: dec ecx\njnz .l\nread_tsc\nsub rax, r8\nmov r8, rax'
    const ticks = (frequency: number): number => {
      const { vmm, gpr, finish } = userSpace(loop)
      vmm.vcpu.setTscKhz(frequency)
      finish()
      return Number(gpr(8))
    }
    expect(Math.abs(ticks(khz) - (ticks(Number(HOST_KHZ)) * khz) / Number(HOST_KHZ))).toBeLessThanOrEqual(2)
  })
})

describe('KVM_VCPU_TSC_OFFSET', () => {
  test('moves the TSC by as much, modulo 2^64', () => {
    const vcpu = idleVcpu()
    const [offset, before] = [vcpu.getTscOffset(), msrOf(vcpu, TSC)!]
    vcpu.setTscOffset(offset - before - 5n)
    expect(msrOf(vcpu, TSC)).toBe(2n ** 64n - 5n)
    expect(vcpu.getTscOffset()).toBe(BigInt.asUintN(64, offset - before - 5n))
  })
  test('is what the guest reads', () => {
    const { vmm, gpr, finish } = userSpace('read_tsc\nmov r8, rax')
    vmm.vcpu.setTscOffset(vmm.vcpu.getTscOffset() + (1n << 60n))
    finish()
    expect(gpr(8) >> 60n).toBe(1n)
  })
  test('leaves IA32_TSC_ADJUST alone', () => {
    const vcpu = idleVcpu()
    vcpu.setTscOffset(12345n)
    expect(msrOf(vcpu, ADJUST)).toBe(0n)
  })
})

describe('IA32_TSC and IA32_TSC_ADJUST', () => {
  test('of user space are restored each for itself', () => {
    const vcpu = idleVcpu()
    setMsr(vcpu, TSC, 1n << 50n)
    expect([msrOf(vcpu, TSC), msrOf(vcpu, ADJUST)]).toEqual([1n << 50n, 0n])
    setMsr(vcpu, ADJUST, 77n)
    expect([msrOf(vcpu, TSC), msrOf(vcpu, ADJUST)]).toEqual([1n << 50n, 77n])
  })
  test('of the guest move together', () => {
    const { gpr, finish } = userSpace(`mov r8, 1 << 50
write_msr64 MSR_IA32_TSC_ADJUST, r8
read_tsc
mov r9, rax
read_msr MSR_IA32_TSC_ADJUST
mov r10, rax`)
    finish()
    expect([gpr(9) >> 50n, gpr(10)]).toEqual([1n, 1n << 50n])
  })
})

describe('a count of the local APIC that runs while the TSC jumps', () => {
  test.each(['write_msr64 MSR_IA32_TSC, r9', 'write_msr64 MSR_IA32_TSC_ADJUST, r9'])('%s: goes on as it was', write => {
    const { gpr, finish } = userSpace(`x2apic_enable
write_msr MSR_IA32_X2APIC_DIV_CONF, 0xb
write_msr MSR_IA32_X2APIC_LVT_TIMER, APIC_LVT_MASKED
write_msr MSR_IA32_X2APIC_INIT_COUNT, 1000000
mov r9, 1 << 50
${write}
read_msr MSR_IA32_X2APIC_CUR_COUNT
mov r8, rax`)
    finish()
    expect(gpr(8)).toBeGreaterThan(980_000n)
    expect(gpr(8)).toBeLessThan(1_000_000n)
  })
})
