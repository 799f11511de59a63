/**
 * The state of a CPU before software (Intel SDM, "Processor State After Reset"): real-address mode, the first instruction 16 bytes
 * below 4 GBytes. Whoever boots the machine writes over it what a boot loader would have left.
 */

import { APIC_BITS } from '../../spec/apic-registers.ts'
import { CR0 } from '../../spec/cr-bits.ts'
import { PAT_AT_RESET } from '../../spec/memory-types.ts'
import { MSRS } from '../../spec/msrs.ts'
import { stopTimer } from '../apic/apic-timer.ts'
import { resetApicRegisters, setApicRegister } from '../apic/registers.ts'
import type { Machine } from '../machine.ts'
import { disarmed } from './monitor.ts'
import { type Cpu, DATA16_RIGHTS, LDT_RIGHTS, LDTR, type Registers, TR, TSS_BUSY_RIGHTS, X87 } from './registers.ts'

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

const LIMIT_AT_RESET = 0xffff
const CS = 1

function resetSegments(cpu: Cpu, registers: Registers): void {
  for (const index of cpu.segments.keys()) {
    const accessRights = index === LDTR ? LDT_RIGHTS : index === TR ? TSS_BUSY_RIGHTS : DATA16_RIGHTS
    cpu.segments[index] = { selector: index === CS ? 0xf000 : 0, limit: LIMIT_AT_RESET, accessRights }
    registers.segmentBase[index] = index === CS ? 0xffff_0000n : 0n
  }
  cpu.gdtr = { base: 0n, limit: LIMIT_AT_RESET }
  cpu.idtr = { base: 0n, limit: LIMIT_AT_RESET }
}

const BOOTSTRAP = BigInt(APIC_BITS.MSR_IA32_APICBASE_BSP)
const CACHE_CONTROL = (1n << BigInt(CR0.CD)) | (1n << BigInt(CR0.NW))
const RDX = 2

/** After power-up or INIT, the bootstrap processor begins at the reset vector and the others wait for a start-up message. */
function beginOrWait(cpu: Cpu): void {
  const isBootstrap = (cpu.msrs[MSRS.MSR_IA32_APICBASE.index]! & BOOTSTRAP) !== 0n
  cpu.activity = isBootstrap ? 'active' : 'wait-for-sipi'
}

/** INIT (SDM, "Processor State After Reset", its column): as reset, but for caches, floating point, MSRs and where the local APIC is. */
export function initCpu(machine: Machine, index: number): void {
  const cpu = machine.cpus[index]!
  const registers = machine.registers[index]!
  registers.gpr.fill(0n)
  registers.gpr[RDX] = BigInt(machine.config.signature)
  registers.rflags[0] = 2n
  registers.rip[0] = 0xfff0n
  resetSegments(cpu, registers)
  const caches = registers.cr[0]! & CACHE_CONTROL
  registers.cr.fill(0n)
  registers.cr[0] = (CR0_AT_RESET & ~CACHE_CONTROL) | caches
  registers.dr.fill(0n)
  registers.dr[6] = 0xffff_0ff0n
  registers.dr[7] = 0x400n
  cpu.msrs[MSRS.MSR_EFER.index] = 0n
  cpu.stiBlocking = false
  cpu.movSsBlocking = false
  cpu.nmiBlocking = false
  cpu.nmiPending = false
  cpu.midRepeat = false
  cpu.monitor = disarmed()
  stopTimer(machine, index)
  resetApicRegisters(machine, index)
  beginOrWait(cpu)
}

export function resetCpu(machine: Machine, index: number): void {
  const cpu = machine.cpus[index]!
  const registers = machine.registers[index]!
  registers.rflags[0] = 2n
  registers.rip[0] = 0xfff0n
  resetSegments(cpu, registers)
  registers.cr[0] = CR0_AT_RESET
  registers.dr[6] = 0xffff_0ff0n
  registers.dr[7] = 0x400n
  resetFloatingPoint(registers)
  cpu.msrs[MSRS.MSR_EFER.index] = 0n
  cpu.msrs[MSRS.MSR_IA32_APICBASE.index] = index === 0 ? APIC_BASE_AT_RESET : APIC_BASE_AT_RESET & ~BOOTSTRAP
  cpu.msrs[MSRS.MSR_IA32_CR_PAT.index] = PAT_AT_RESET
  cpu.msrs[MSRS.MSR_IA32_TSC_ADJUST.index] = 0n
  // Locked, VMXON allowed outside SMX: what firmware leaves behind.
  cpu.msrs[MSRS.MSR_IA32_FEAT_CTL.index] = machine.config.features.includes('vmx') ? 5n : 1n
  resetApicRegisters(machine, index)
  // And LINT0 lets the 8259 pair through.
  if (index === 0) setApicRegister(machine, index, 'APIC_LVT0', APIC_BITS.APIC_DM_EXTINT)
  beginOrWait(cpu)
}
