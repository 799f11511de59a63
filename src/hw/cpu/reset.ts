/**
 * The state of a CPU before software: what a boot loader would have left for code in long mode is written over it by whoever boots
 * the machine; here is only what the hardware fixes (Intel SDM, "Processor State After Reset").
 */

import { APIC_BITS, APIC_REGISTERS } from '../../spec/apic-registers.ts'
import { PAT_AT_RESET } from '../../spec/memory-types.ts'
import { MSRS } from '../../spec/msrs.ts'
import type { Machine } from '../machine.ts'
import { type Registers, X87 } from './registers.ts'

/** IA32_APIC_BASE: the default page, global enable, bootstrap processor. */
export const APIC_BASE_AT_RESET = 0xfee0_0900n
const CR0_AT_RESET = 0x6000_0010n
/** After INIT by software or firmware; the RESET pin leaves 0040H, which no program sees. */
export const FCW_AT_RESET = 0x37fn
export const MXCSR_AT_RESET = 0x1f80n

/** As FNINIT leaves it, and MXCSR with every exception masked (SDM, "Initialization of the x87 FPU"; "MXCSR Control and Status Register"). */
function resetFloatingPoint(registers: Registers): void {
  registers.x87[X87.control] = FCW_AT_RESET
  registers.mxcsr[0] = MXCSR_AT_RESET
  registers.xcr0[0] = 1n
}

export function resetCpu(machine: Machine, index: number): void {
  const cpu = machine.cpus[index]!
  const registers = machine.registers[index]!
  registers.rflags[0] = 2n
  registers.cr[0] = CR0_AT_RESET
  registers.dr[6] = 0xffff_0ff0n
  registers.dr[7] = 0x400n
  resetFloatingPoint(registers)
  cpu.msrs[MSRS.MSR_EFER.index] = 0n
  cpu.msrs[MSRS.MSR_IA32_APICBASE.index] = APIC_BASE_AT_RESET
  cpu.msrs[MSRS.MSR_IA32_CR_PAT.index] = PAT_AT_RESET
  cpu.msrs[MSRS.MSR_IA32_TSC_ADJUST.index] = 0n
  // Locked, VMXON allowed outside SMX: what firmware leaves behind.
  cpu.msrs[MSRS.MSR_IA32_FEAT_CTL.index] = machine.config.features.includes('vmx') ? 5n : 1n
  const page = registers.apic
  page[APIC_REGISTERS.APIC_ID.offset / 4] = index
  page[APIC_REGISTERS.APIC_LVR.offset / 4] = 0x0005_0014
  page[APIC_REGISTERS.APIC_SPIV.offset / 4] = 0xff
  for (const name of ['APIC_LVTCMCI', 'APIC_LVTT', 'APIC_LVTTHMR', 'APIC_LVTPC', 'APIC_LVT0', 'APIC_LVT1', 'APIC_LVTERR'] as const)
    page[APIC_REGISTERS[name].offset / 4] = APIC_BITS.APIC_LVT_MASKED
}
