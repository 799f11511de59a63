/**
 * What reading and writing a register of the local APIC does, however software reaches it: by memory in xAPIC mode, by MSRs in x2APIC
 * mode (Intel SDM, "Local APIC Registers"; "Error Handling").
 */

import { bit } from '../../base/bits.ts'
import { APIC_BITS, type ApicRegisterName } from '../../spec/apic-registers.ts'
import { LOCAL_VECTORS } from '../../spec/xapic-access.ts'
import type { Machine } from '../machine.ts'
import { currentCount, deadlineModeChanged, startCountdown } from './apic-timer.ts'
import { endOfInterrupt } from './eoi.ts'
import { priority } from './interrupts.ts'
import { sendCommand } from './messages.ts'
import { apicPage, apicRegister, setApicRegister } from './registers.ts'

/** A register of 32 bits; `offset` tells the words of a bitmap apart. */
export function readRegister(machine: Machine, cpu: number, name: ApicRegisterName, offset: number): number {
  switch (name) {
    case 'APIC_PROCPRI':
      return priority(machine, cpu)
    case 'APIC_TMCCT':
      return currentCount(machine, cpu)
    default:
      return apicPage(machine, cpu).read(offset)
  }
}

/** A register of 32 bits takes a value whose bits are all writable. */
export function writeRegister(machine: Machine, cpu: number, name: ApicRegisterName, value: number): void {
  switch (name) {
    case 'APIC_EOI':
      return endOfInterrupt(machine, cpu)
    case 'APIC_ESR':
      return latchErrors(machine, cpu)
    case 'APIC_ICR':
      setApicRegister(machine, cpu, name, value)
      return sendCommand(machine, cpu)
    case 'APIC_SPIV':
      return writeSpurious(machine, cpu, value)
    case 'APIC_LVTT':
      deadlineModeChanged(machine, cpu, value)
      return writeLocalVector(machine, cpu, name, value)
    case 'APIC_TMICT':
      return startCountdown(machine, cpu, value)
    case 'APIC_TDCR':
      setApicRegister(machine, cpu, name, value)
      return startCountdown(machine, cpu, apicRegister(machine, cpu, 'APIC_TMICT'))
    default:
      if (LOCAL_VECTORS.includes(name)) return writeLocalVector(machine, cpu, name, value)
      setApicRegister(machine, cpu, name, value)
      machine.engines[cpu]!.attention = true
  }
}

/** While the APIC is software-disabled, the entries of the local vector table stay masked. */
function writeLocalVector(machine: Machine, cpu: number, name: ApicRegisterName, value: number): void {
  const enabled = bit(apicRegister(machine, cpu, 'APIC_SPIV'), 8)
  setApicRegister(machine, cpu, name, enabled ? value : value | APIC_BITS.APIC_LVT_MASKED)
  machine.engines[cpu]!.attention = true
}

function writeSpurious(machine: Machine, cpu: number, value: number): void {
  setApicRegister(machine, cpu, 'APIC_SPIV', value)
  if ((value & APIC_BITS.APIC_SPIV_APIC_ENABLED) === 0)
    for (const name of LOCAL_VECTORS) setApicRegister(machine, cpu, name, apicRegister(machine, cpu, name) | APIC_BITS.APIC_LVT_MASKED)
  machine.engines[cpu]!.attention = true
}

/** A write to the error status register makes the errors since the last write readable. */
function latchErrors(machine: Machine, cpu: number): void {
  const { apic } = machine.cpus[cpu]!
  setApicRegister(machine, cpu, 'APIC_ESR', apic.errors)
  apic.errors = 0
}
