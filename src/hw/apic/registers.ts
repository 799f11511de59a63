/**
 * The physical local APIC's registers: in the CPU's register block, in the format of the APIC page (Intel SDM, "Advanced
 * Programmable Interrupt Controller").
 */

import type { ApicPage } from '../../devices/apic-vectors.ts'
import { APIC_BITS, APIC_REGISTERS, type ApicRegisterName } from '../../spec/apic-registers.ts'
import { MSRS } from '../../spec/msrs.ts'
import type { Machine } from '../machine.ts'

/** What the timer remembers besides its registers. */
export interface ApicState {
  /** IA32_TSC_DEADLINE; 0 when disarmed. */
  deadline: bigint
  /** Tick at which the current countdown began. */
  countdownStart: number
}

export const newApic = (): ApicState => ({ deadline: 0n, countdownStart: 0 })

export function apicPage(machine: Machine, cpu: number): ApicPage {
  const words = machine.registers[cpu]!.apic
  return {
    read: offset => words[offset >> 2]!,
    write: (offset, value) => {
      words[offset >> 2] = value
    },
  }
}

export const apicRegister = (machine: Machine, cpu: number, name: ApicRegisterName): number =>
  machine.registers[cpu]!.apic[APIC_REGISTERS[name].offset >> 2]!

export const isX2apic = (machine: Machine, cpu: number): boolean =>
  (machine.cpus[cpu]!.msrs[MSRS.MSR_IA32_APICBASE.index]! & BigInt(APIC_BITS.X2APIC_ENABLE)) !== 0n
