/** Registers that neither the VMCS nor KVM keeps, saved and restored by user space: KVM_GET/SET_XSAVE, KVM_GET/SET_XCRS, KVM_GET/SET_DEBUGREGS. */

import { shiftRight } from '../base/u64.ts'
import type { Context } from './context.ts'
import { lookupCpuid } from './cpuid.ts'
import { KvmError } from './error.ts'

/** `struct kvm_xsave`: an XSAVE area in the standard format, as long as the processor's components need. */
export const getXsave = ({ cpu }: Context): Uint8Array => cpu.xsave()

export function setXsave({ cpu }: Context, bytes: Uint8Array): void {
  if (bytes.length !== cpu.xsave().length) throw new KvmError('EINVAL', `an XSAVE area has ${cpu.xsave().length} bytes`)
  cpu.xrstor(bytes)
}

export const getXcr0 = ({ cpu }: Context): bigint => cpu.xgetbv()

/** Of `struct kvm_xcrs` there is XCR0 alone. */
export function setXcr0({ cpu, vcpu }: Context, value: bigint): void {
  const supported = BigInt(lookupCpuid(vcpu.cpuid, 0xd, 0).eax) | 1n
  if ((value & ~supported) !== 0n || (value & 1n) === 0n) throw new KvmError('EINVAL', `XCR0 cannot hold 0x${value.toString(16)}`)
  cpu.xsetbv(value)
}

/** `struct kvm_debugregs`. */
export interface DebugRegisters {
  /** DR0 to DR3. */
  readonly addresses: readonly bigint[]
  readonly dr6: bigint
  readonly dr7: bigint
}

const ADDRESSES = [0, 1, 2, 3] as const
const DR6 = 6

export const getDebugRegisters = ({ cpu }: Context): DebugRegisters => ({
  addresses: ADDRESSES.map(index => cpu.dr(index)),
  dr6: cpu.dr(DR6),
  dr7: cpu.vmread('GUEST_DR7'),
})

export function setDebugRegisters({ cpu }: Context, { addresses, dr6, dr7 }: DebugRegisters): void {
  if (shiftRight(dr6, 32) !== 0n || shiftRight(dr7, 32) !== 0n) throw new KvmError('EINVAL', 'DR6 and DR7 have 32 bits')
  for (const index of ADDRESSES) cpu.setDr(index, addresses[index] ?? 0n)
  cpu.setDr(DR6, dr6)
  cpu.vmwrite('GUEST_DR7', dr7)
}
