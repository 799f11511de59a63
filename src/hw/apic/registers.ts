/**
 * The physical local APIC's registers: in the CPU's register block, in the format of the APIC page (Intel SDM, "Advanced
 * Programmable Interrupt Controller").
 */

import type { ApicPage } from '../../devices/apic-vectors.ts'
import { APIC_BITS, APIC_REGISTERS, type ApicRegisterName } from '../../spec/apic-registers.ts'
import { MSRS } from '../../spec/msrs.ts'
import { LOCAL_VECTORS } from '../../spec/xapic-access.ts'
import type { Machine } from '../machine.ts'

/** What it remembers besides its registers. */
export interface ApicState {
  /** IA32_TSC_DEADLINE; 0 when disarmed. */
  deadline: bigint
  /** Tick at which the current countdown began. */
  countdownStart: number
  /** Bits of the error status register that the next write to it makes readable. */
  errors: number
}

export const newApic = (): ApicState => ({ deadline: 0n, countdownStart: 0, errors: 0 })

/** Version 0x14 with six entries of the local vector table. */
const APIC_VERSION = 0x0005_0014

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

export function setApicRegister(machine: Machine, cpu: number, name: ApicRegisterName, value: number): void {
  machine.registers[cpu]!.apic[APIC_REGISTERS[name].offset >> 2] = value
}

const apicBase = (machine: Machine, cpu: number): bigint => machine.cpus[cpu]!.msrs[MSRS.MSR_IA32_APICBASE.index]!

/** Globally, by IA32_APIC_BASE. */
export const isApicEnabled = (machine: Machine, cpu: number): boolean =>
  (apicBase(machine, cpu) & BigInt(APIC_BITS.MSR_IA32_APICBASE_ENABLE)) !== 0n

export const isX2apic = (machine: Machine, cpu: number): boolean => (apicBase(machine, cpu) & BigInt(APIC_BITS.X2APIC_ENABLE)) !== 0n

/** Physical address of the page in xAPIC mode, -1 where there is no page. */
export const apicPageAddress = (machine: Machine, cpu: number): number =>
  isApicEnabled(machine, cpu) && !isX2apic(machine, cpu) ? Number(apicBase(machine, cpu) & ~0xfffn) : -1

/** What a physical destination names: in xAPIC mode the ID register, which software may change. */
export const apicId = (machine: Machine, cpu: number): number =>
  isX2apic(machine, cpu) ? cpu : apicRegister(machine, cpu, 'APIC_ID') >>> 24

/** What a logical destination names; in x2APIC mode it follows from the ID. */
export const logicalId = (machine: Machine, cpu: number): number =>
  isX2apic(machine, cpu) ? ((cpu >>> 4) << 16) | (1 << (cpu & 15)) : apicRegister(machine, cpu, 'APIC_LDR') >>> 24

/** Registers as after power-up or INIT (Intel SDM, "Local APIC State After Power-Up or Reset"). */
export function resetApicRegisters(machine: Machine, cpu: number): void {
  machine.registers[cpu]!.apic.fill(0)
  const values = { APIC_ID: cpu * 2 ** 24, APIC_LVR: APIC_VERSION, APIC_DFR: 0xffff_ffff, APIC_SPIV: 0xff } as const
  for (const [name, value] of Object.entries(values)) setApicRegister(machine, cpu, name as keyof typeof values, value)
  for (const name of LOCAL_VECTORS) setApicRegister(machine, cpu, name, APIC_BITS.APIC_LVT_MASKED)
  machine.cpus[cpu]!.apic = newApic()
}
