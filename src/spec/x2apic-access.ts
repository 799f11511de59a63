/** What x2APIC mode lets software read and write (Intel SDM, "x2APIC Register Address Space"): the same for silicon and for KVM. */

import { low32, shiftRight } from '../base/u64.ts'
import { APIC_REGISTERS, type ApicRegisterName, apicOffsetOf } from './apic-registers.ts'

/** Registers that RDMSR gives, by their offset in the APIC page; each word of a bitmap is one. */
export const X2APIC_READABLE: ReadonlyMap<number, ApicRegisterName> = new Map(
  Object.entries(APIC_REGISTERS).flatMap(([name, row]) => {
    if (row.x2apic !== 'read' && row.x2apic !== 'read-write') return []
    const count = 'count' in row ? row.count : 1
    return Array.from({ length: count }, (_, word) => [row.offset + 16 * word, name as ApicRegisterName] as const)
  }),
)

/** Bits of a register that software may set; in xAPIC mode too. */
export const WRITABLE_BITS: Partial<Readonly<Record<ApicRegisterName, number>>> = {
  APIC_TASKPRI: 0xff,
  APIC_EOI: 0,
  APIC_SPIV: 0x13ff,
  APIC_ESR: 0,
  APIC_LVTCMCI: 0x1_07ff,
  APIC_ICR: 0x000c_cfff,
  APIC_LVTT: 0x7_00ff,
  APIC_LVTTHMR: 0x1_07ff,
  APIC_LVTPC: 0x1_07ff,
  APIC_LVT0: 0x1_a7ff,
  APIC_LVT1: 0x1_a7ff,
  APIC_LVTERR: 0x1_00ff,
  APIC_TMICT: 0xffff_ffff,
  APIC_TDCR: 0xb,
  APIC_SELF_IPI: 0xff,
}

const byOffset: ReadonlyMap<number, ApicRegisterName> = new Map(
  Object.keys(WRITABLE_BITS).map(name => [APIC_REGISTERS[name as ApicRegisterName].offset, name as ApicRegisterName]),
)

/** The register that a WRMSR of `value` writes; undefined where it raises #GP: no such register, or a reserved bit set. */
export function x2apicWriteTarget(msr: number, value: bigint): ApicRegisterName | undefined {
  const name = byOffset.get(apicOffsetOf(msr))
  if (name === undefined || (low32(value) & ~WRITABLE_BITS[name]!) !== 0) return undefined
  return shiftRight(value, 32) === 0n || name === 'APIC_ICR' ? name : undefined
}
