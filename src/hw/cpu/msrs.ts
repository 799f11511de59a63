/**
 * RDMSR and WRMSR of the real registers (Intel SDM, "Model-Specific Registers"). What VMX non-root operation makes of an access
 * is decided before (`hw/vmx/msr-access`).
 */

import { TSC_AT_START } from '../../base/units.ts'
import { isCanonical, widestLinear } from '../../spec/address-width.ts'
import { APIC_BASE_MSR, APIC_MSR_END } from '../../spec/apic-registers.ts'
import type { CpuFeature } from '../../spec/cpu-models.ts'
import { CR0, EFER } from '../../spec/cr-bits.ts'
import { MSRS } from '../../spec/msrs.ts'
import { writeApicBase } from '../apic/apic-base.ts'
import { isDeadlineMode, rearmDeadline, writeDeadline } from '../apic/apic-timer.ts'
import { readX2apic, writeX2apic } from '../apic/x2apic.ts'
import { physicalTsc } from '../time/clock.ts'
import type { Engine } from './engine.ts'
import { generalProtection } from './faults.ts'
import { heldAfterWrite, heldMsr } from './held-msrs.ts'

/** Cycles at the nominal and at the actual frequency, which are the same; what is held is the distance to the machine's tick. */
const MPERF = MSRS.MSR_IA32_MPERF.index
const APERF = MSRS.MSR_IA32_APERF.index
const FS_BASE = MSRS.MSR_FS_BASE.index
const GS_BASE = MSRS.MSR_GS_BASE.index

/** The physical TSC as this CPU's software moved it. */
export const ownTsc = (engine: Engine): bigint => physicalTsc(engine.machine.tick, engine.cpu.msrs[MSRS.MSR_IA32_TSC_ADJUST.index]!)

export function readMsr(engine: Engine, index: number): bigint {
  const { cpu, machine, registers } = engine
  if (index >= APIC_BASE_MSR && index < APIC_MSR_END) return readX2apic(machine, engine.index, index)
  switch (index) {
    case MSRS.MSR_IA32_TSC.index:
      return ownTsc(engine)
    case MSRS.MSR_IA32_TSC_DEADLINE.index:
      if (!machine.config.features.includes('tsc-deadline')) throw generalProtection()
      return isDeadlineMode(machine, engine.index) ? cpu.apic.deadline : 0n
    case MPERF:
    case APERF:
      return BigInt.asUintN(64, BigInt(machine.tick) + (cpu.msrs[index] ?? 0n))
    case FS_BASE:
    case GS_BASE:
      return registers.segmentBase[index === FS_BASE ? 4 : 5]!
    case MSRS.MSR_EFER.index:
    case MSRS.MSR_IA32_APICBASE.index:
    case MSRS.MSR_IA32_FEAT_CTL.index:
    case MSRS.MSR_IA32_TSC_ADJUST.index:
      return cpu.msrs[index]!
    default: {
      const held = heldMsr(engine.features, index)
      if (held !== undefined) return cpu.msrs[index] ?? held.initial(machine.config)
      const capability = machine.config.vmxMsrs[index]
      if (capability === undefined) throw generalProtection()
      return capability
    }
  }
}

export function writeMsr(engine: Engine, index: number, value: bigint): void {
  const { cpu, machine, registers } = engine
  if (index >= APIC_BASE_MSR && index < APIC_MSR_END) return writeX2apic(machine, engine.index, index, value)
  switch (index) {
    case MSRS.MSR_IA32_TSC.index:
      return writeTscAdjust(engine, value - (TSC_AT_START + BigInt(machine.tick)))
    case MSRS.MSR_IA32_TSC_ADJUST.index:
      return writeTscAdjust(engine, value)
    case MSRS.MSR_IA32_TSC_DEADLINE.index:
      if (!machine.config.features.includes('tsc-deadline')) throw generalProtection()
      return writeDeadline(machine, engine.index, value)
    case MPERF:
    case APERF:
      cpu.msrs[index] = BigInt.asUintN(64, value - BigInt(machine.tick))
      return
    case FS_BASE:
    case GS_BASE:
      if (!isCanonical(value, widestLinear(machine.config.features))) throw generalProtection()
      registers.segmentBase[index === FS_BASE ? 4 : 5] = value
      return
    case MSRS.MSR_EFER.index:
      return writeEfer(engine, value)
    case MSRS.MSR_IA32_APICBASE.index:
      return writeApicBase(machine, engine.index, value)
    default: {
      const held = heldMsr(engine.features, index)
      if (held === undefined) throw generalProtection()
      const after = heldAfterWrite(machine.config, index, held, cpu.msrs[index] ?? held.initial(machine.config), value)
      if (after === null) throw generalProtection()
      cpu.msrs[index] = after
    }
  }
}

function writeTscAdjust(engine: Engine, adjust: bigint): void {
  engine.cpu.msrs[MSRS.MSR_IA32_TSC_ADJUST.index] = BigInt.asUintN(64, adjust)
  rearmDeadline(engine.machine, engine.index)
}

/** LMA is the CPU's; LME cannot change while paging is on. */
function writeEfer(engine: Engine, value: bigint): void {
  const before = engine.cpu.msrs[MSRS.MSR_EFER.index]!
  const bit = (position: number): bigint => 1n << BigInt(position)
  const withFeature = (feature: CpuFeature, position: number): bigint => (engine.features.has(feature) ? bit(position) : 0n)
  const allowed = withFeature('syscall', EFER.SCE) | withFeature('lm', EFER.LME) | bit(EFER.LMA) | withFeature('nx', EFER.NX)
  const paging = (engine.registers.cr[0]! & bit(CR0.PG)) !== 0n
  if ((value & ~allowed) !== 0n || (paging && ((value ^ before) & bit(EFER.LME)) !== 0n)) throw generalProtection()
  engine.cpu.msrs[MSRS.MSR_EFER.index] = (value & ~bit(EFER.LMA)) | (before & bit(EFER.LMA))
  engine.reloadAddressSpace()
}
