/** The MSR bitmap of a vCPU: 1 KByte each for reads of low and high MSRs, then for writes. A 1 intercepts. */

import type { Context } from './context.ts'
import { isMsrAllowed } from './msr-filter.ts'

/** What the filter denies is intercepted in any case. */
export function setMsrIntercept(c: Context, msr: number, { read, write }: { readonly read: boolean; readonly write: boolean }): void {
  const high = msr >= 0xc000_0000 ? 1024 : 0
  setBit(c, high + ((msr & 0x1fff) >> 3), msr & 7, read || !isMsrAllowed(c.vm, msr, 'read'))
  setBit(c, 2048 + high + ((msr & 0x1fff) >> 3), msr & 7, write || !isMsrAllowed(c.vm, msr, 'write'))
}

function setBit({ cpu, vcpu }: Context, byte: number, bit: number, value: boolean): void {
  const address = vcpu.msrBitmap + byte
  const before = cpu.memory.read8(address)
  cpu.memory.write8(address, value ? before | (1 << bit) : before & ~(1 << bit))
}
