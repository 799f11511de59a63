/** The local APIC as software sees it in x2APIC mode, by MSRs (Intel SDM, "Extended xAPIC (x2APIC)"). */

import { high32, low32 } from '../../base/u64.ts'
import { apicOffsetOf } from '../../spec/apic-registers.ts'
import { X2APIC_READABLE, x2apicWriteTarget } from '../../spec/x2apic-access.ts'
import { generalProtection } from '../cpu/faults.ts'
import type { Machine } from '../machine.ts'
import { readRegister, writeRegister } from './access.ts'
import { raise } from './interrupts.ts'
import { apicId, apicRegister, isX2apic, logicalId, setApicRegister } from './registers.ts'

export function readX2apic(machine: Machine, cpu: number, msr: number): bigint {
  const offset = apicOffsetOf(msr)
  const name = X2APIC_READABLE.get(offset)
  if (!isX2apic(machine, cpu) || name === undefined) throw generalProtection()
  switch (name) {
    case 'APIC_ID':
      return BigInt(apicId(machine, cpu))
    case 'APIC_LDR':
      return BigInt(logicalId(machine, cpu))
    case 'APIC_ICR':
      return (BigInt(apicRegister(machine, cpu, 'APIC_ICR2')) << 32n) | BigInt(apicRegister(machine, cpu, 'APIC_ICR'))
    default:
      return BigInt(readRegister(machine, cpu, name, offset))
  }
}

export function writeX2apic(machine: Machine, cpu: number, msr: number, value: bigint): void {
  const name = x2apicWriteTarget(msr, value)
  if (!isX2apic(machine, cpu) || name === undefined) throw generalProtection()
  if (name === 'APIC_SELF_IPI') return raise(machine, cpu, low32(value))
  if (name === 'APIC_ICR') setApicRegister(machine, cpu, 'APIC_ICR2', high32(value))
  writeRegister(machine, cpu, name, low32(value))
}
