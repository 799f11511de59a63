/**
 * The local APIC as software sees it in xAPIC mode, in its page of memory (Intel SDM, "Local APIC Register Address Map"). Registers are
 * 32 bits wide, 16 bytes apart. An address with no register sets an error; a write that is not of 32 bits at a register is ignored.
 */

import { APIC_BITS } from '../../spec/apic-registers.ts'
import { DFR_ONES, partOf, registerAt, XAPIC_WRITABLE } from '../../spec/xapic-access.ts'
import type { Machine } from '../machine.ts'
import { readRegister, writeRegister } from './access.ts'
import { recordError } from './interrupts.ts'
import { setApicRegister } from './registers.ts'

export function readXapic(machine: Machine, cpu: number, offset: number, size: number): number {
  const name = registerAt.get(offset & ~0xf)
  if (name === undefined || name === 'APIC_SELF_IPI') {
    recordError(machine, cpu, APIC_BITS.APIC_ESR_ILLREGA)
    return 0
  }
  // EOI is written only, and the bytes behind a register are nothing.
  const value = name === 'APIC_EOI' || (offset & 0xc) !== 0 ? 0 : readRegister(machine, cpu, name, offset & ~0xf)
  return partOf(value, offset & 3, size)
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
