/**
 * IA32_APIC_BASE: the APIC's modes and where its page lies (Intel SDM, "x2APIC State Transitions"; "Relocating the Local APIC Registers").
 *
 *     disabled <--> xAPIC --> x2APIC --> disabled         nothing else: #GP
 */

import { PHYSICAL_ADDRESS_BITS } from '../../spec/address-width.ts'
import { APIC_BITS } from '../../spec/apic-registers.ts'
import { MSRS } from '../../spec/msrs.ts'
import { generalProtection } from '../cpu/faults.ts'
import type { Machine } from '../machine.ts'
import { stopTimer } from './apic-timer.ts'
import { logicalId, resetApicRegisters, setApicRegister } from './registers.ts'

const ENABLE = BigInt(APIC_BITS.MSR_IA32_APICBASE_ENABLE)
const X2APIC = BigInt(APIC_BITS.X2APIC_ENABLE)
const BOOTSTRAP = BigInt(APIC_BITS.MSR_IA32_APICBASE_BSP)
const PAGE = (1n << BigInt(PHYSICAL_ADDRESS_BITS)) - 0x1000n

/** Whether WRMSR may take the register from one value to another. */
function isAllowed(before: bigint, after: bigint, hasX2apic: boolean): boolean {
  if ((after & ~(PAGE | ENABLE | X2APIC | BOOTSTRAP)) !== 0n) return false
  if ((after & X2APIC) === 0n) return (before & X2APIC) === 0n || (after & ENABLE) === 0n
  return hasX2apic && (after & ENABLE) !== 0n && (before & ENABLE) !== 0n
}

export function writeApicBase(machine: Machine, cpu: number, value: bigint): void {
  const msrs = machine.cpus[cpu]!.msrs
  const index = MSRS.MSR_IA32_APICBASE.index
  const before = msrs[index]!
  if (!isAllowed(before, value, machine.config.features.includes('x2apic'))) throw generalProtection()
  msrs[index] = value
  if ((value & ENABLE) === 0n && (before & ENABLE) !== 0n) {
    stopTimer(machine, cpu)
    resetApicRegisters(machine, cpu)
  }
  if ((value & X2APIC) !== 0n) setApicRegister(machine, cpu, 'APIC_LDR', logicalId(machine, cpu))
  // The page may lie over memory: translations to it have changed.
  machine.engines[cpu]!.dropTranslations()
}
