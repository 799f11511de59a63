/** CLI, STI, POPF, HLT and the instructions that ask what and when the CPU is (Intel SDM, their pages). */

import { shiftRight } from '../../../base/u64.ts'
import type { Instruction } from '../../../isa/instruction.ts'
import { gpr, RSP, SS } from '../../../isa/operands.ts'
import { AC, DF, ID, IF, IOPL, NT, RF, STATUS, TF } from '../../../isa/status-flags.ts'
import { CR4 } from '../../../spec/cr-bits.ts'
import { MSRS } from '../../../spec/msrs.ts'
import { virtualTsc } from '../../time/clock.ts'
import { guestReadMsr, guestWriteMsr } from '../../vmx/msr-access.ts'
import { type CpuidContext, cpuid } from '../cpuid.ts'
import type { Engine } from '../engine.ts'
import { generalProtection } from '../faults.ts'
import { ownTsc } from '../msrs.ts'
import { cplOf } from '../registers.ts'
import { isMonitorEnabled } from './monitor.ts'
import { iopl, requireRing0 } from './privilege.ts'

export function cli(engine: Engine): void {
  if (cplOf(engine.cpu) > iopl(engine)) throw generalProtection()
  engine.replaceFlags(engine.materialised() & ~IF)
}

/** Interrupts stay blocked for one more instruction if they were off. */
export function sti(engine: Engine): void {
  if (cplOf(engine.cpu) > iopl(engine)) throw generalProtection()
  const before = engine.materialised()
  if ((before & IF) === 0) {
    engine.cpu.stiBlocking = true
    engine.beganBlocking = true
  }
  engine.replaceFlags(before | IF)
  engine.attention = true
}

/** IOPL changes at CPL 0 only, IF only at a CPL up to IOPL; VM stays, RF is cleared. */
export function popf(engine: Engine, { size, stackSize }: Instruction): void {
  const pointer = gpr(stackSize, RSP)
  const top = engine.read(pointer)
  const value = Number(engine.load(size, SS, top) & 0xffff_ffffn)
  const cpl = cplOf(engine.cpu)
  let changeable = STATUS | TF | DF | NT | AC | ID
  if (cpl === 0) changeable |= IOPL
  if (cpl <= iopl(engine)) changeable |= IF
  if (size === 16) changeable &= 0xffff
  engine.write(pointer, engine.add(stackSize, top, BigInt(size / 8)))
  engine.replaceFlags(((engine.materialised() & ~changeable) | (value & changeable)) & ~RF)
  engine.attention = true
}

export function hlt(engine: Engine): void {
  requireRing0(engine)
  engine.cpu.activity = 'hlt'
  engine.attention = true
}

const APIC_GLOBAL_ENABLE = 1n << 11n

export const cpuidContext = (engine: Engine): CpuidContext => ({
  apicId: engine.index,
  apicEnabled: (engine.cpu.msrs[MSRS.MSR_IA32_APICBASE.index]! & APIC_GLOBAL_ENABLE) !== 0n,
  monitorEnabled: isMonitorEnabled(engine),
  osxsave: (engine.registers.cr[4]! & (1n << BigInt(CR4.OSXSAVE))) !== 0n,
  xcr0: engine.registers.xcr0[0]!,
})

export function cpuidInstruction(engine: Engine): void {
  const { gpr } = engine.registers
  const result = cpuid(engine.machine.config, Number(gpr[0]! & 0xffff_ffffn), Number(gpr[1]! & 0xffff_ffffn), cpuidContext(engine))
  gpr[0] = BigInt(result.eax >>> 0)
  gpr[3] = BigInt(result.ebx >>> 0)
  gpr[1] = BigInt(result.ecx >>> 0)
  gpr[2] = BigInt(result.edx >>> 0)
}

const CR4_TSD = 1n << BigInt(CR4.TSD)

/** The tick is that of the instruction's start. */
function timeStamp(engine: Engine): bigint {
  const { cpu, registers } = engine
  if (cplOf(cpu) !== 0 && (registers.cr[4]! & CR4_TSD) !== 0n) throw generalProtection()
  const own = ownTsc(engine)
  return cpu.vmx.mode === 'non-root' ? virtualTsc(own, cpu.vmx.controls.tsc) : own
}

export function rdtsc(engine: Engine): void {
  const value = timeStamp(engine)
  engine.registers.gpr[0] = value & 0xffff_ffffn
  engine.registers.gpr[2] = shiftRight(value, 32)
}

export function rdtscp(engine: Engine): void {
  rdtsc(engine)
  engine.registers.gpr[1] = engine.cpu.msrs[MSRS.MSR_TSC_AUX.index] ?? 0n
}

const msrIndex = (engine: Engine): number => Number(engine.registers.gpr[1]! & 0xffff_ffffn)

export function rdmsr(engine: Engine): void {
  const value = guestReadMsr(engine, msrIndex(engine))
  engine.registers.gpr[0] = value & 0xffff_ffffn
  engine.registers.gpr[2] = shiftRight(value, 32)
}

export function wrmsr(engine: Engine): void {
  const { gpr } = engine.registers
  guestWriteMsr(engine, msrIndex(engine), ((gpr[2]! & 0xffff_ffffn) << 32n) | (gpr[0]! & 0xffff_ffffn))
  engine.attention = true
}

/** Everything is in order already. */
export function serialize(): void {}
