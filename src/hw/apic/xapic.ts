/**
 * The local APIC as software sees it in xAPIC mode, in its page of memory (Intel SDM, "Local APIC Register Address Map"). Registers are
 * 32 bits wide, 16 bytes apart. An address with no register sets an error; a write that is not of 32 bits at a register is ignored.
 */

import { APIC_BITS, type ApicRegisterName } from '../../spec/apic-registers.ts'
import { WRITABLE_BITS } from '../../spec/x2apic-access.ts'
import type { Machine } from '../machine.ts'
import { readRegister, registerAt, writeRegister } from './access.ts'
import { recordError } from './interrupts.ts'
import { setApicRegister } from './registers.ts'

/** What software may set here and not by an MSR, or otherwise than there. */
const XAPIC_WRITABLE: Partial<Readonly<Record<ApicRegisterName, number>>> = {
  ...WRITABLE_BITS,
  APIC_ID: 0xff00_0000,
  APIC_LDR: 0xff00_0000,
  APIC_DFR: 0xf000_0000,
  APIC_ICR2: 0xff00_0000,
}

/** Bits of the destination format register that are always set. */
const DFR_ONES = 0x0fff_ffff

export function readXapic(machine: Machine, cpu: number, offset: number, size: number): number {
  const name = registerAt.get(offset & ~0xf)
  if (name === undefined || name === 'APIC_SELF_IPI') {
    recordError(machine, cpu, APIC_BITS.APIC_ESR_ILLREGA)
    return 0
  }
  // EOI is written only, and the bytes behind a register are nothing.
  const value = name === 'APIC_EOI' || (offset & 0xc) !== 0 ? 0 : readRegister(machine, cpu, name, offset & ~0xf)
  return ((value >>> (8 * (offset & 3))) & (2 ** (8 * size) - 1)) >>> 0
}

export function writeXapic(machine: Machine, cpu: number, offset: number, size: number, value: number): void {
  if (size !== 4 || (offset & 0xf) !== 0) return
  const name = registerAt.get(offset)
  if (name === undefined || name === 'APIC_SELF_IPI') return recordError(machine, cpu, APIC_BITS.APIC_ESR_ILLREGA)
  const writable = XAPIC_WRITABLE[name]
  if (writable === undefined) return // read-only
  if (name === 'APIC_DFR') return setApicRegister(machine, cpu, name, (value | DFR_ONES) >>> 0)
  writeRegister(machine, cpu, name, (value & writable) >>> 0)
}
