/**
 * RDMSR and WRMSR of the real registers (Intel SDM, "Model-Specific Registers"). What VMX non-root operation makes of an access
 * is decided before (`hw/vmx/msr-access`).
 */

import { shiftRight } from '../../base/u64.ts'
import { isCanonical } from '../../spec/address-width.ts'
import { APIC_BASE_MSR, APIC_MSR_END } from '../../spec/apic-registers.ts'
import { CR0, EFER } from '../../spec/cr-bits.ts'
import { MSRS } from '../../spec/msrs.ts'
import { isDeadlineMode, rearmDeadline, writeDeadline } from '../apic/apic-timer.ts'
import { readX2apic, writeApicBase, writeX2apic } from '../apic/x2apic.ts'
import { physicalTsc, TSC_AT_START } from '../time/clock.ts'
import type { Engine } from './engine.ts'
import { generalProtection } from './faults.ts'

/** How software may write an MSR that only holds a value. */
type Rule = 'any' | 'canonical' | 'low-half' | 'zero' | 'pat'

const HELD: Readonly<Record<number, Rule>> = {
  [MSRS.MSR_IA32_SYSENTER_CS.index]: 'low-half',
  [MSRS.MSR_IA32_SYSENTER_ESP.index]: 'canonical',
  [MSRS.MSR_IA32_SYSENTER_EIP.index]: 'canonical',
  [MSRS.MSR_IA32_CR_PAT.index]: 'pat',
  [MSRS.MSR_IA32_DEBUGCTLMSR.index]: 'zero',
  [MSRS.MSR_STAR.index]: 'any',
  [MSRS.MSR_LSTAR.index]: 'canonical',
  [MSRS.MSR_CSTAR.index]: 'canonical',
  [MSRS.MSR_SYSCALL_MASK.index]: 'low-half',
  [MSRS.MSR_KERNEL_GS_BASE.index]: 'canonical',
  [MSRS.MSR_TSC_AUX.index]: 'low-half',
}

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
    case FS_BASE:
    case GS_BASE:
      return registers.segmentBase[index === FS_BASE ? 4 : 5]!
    case MSRS.MSR_EFER.index:
    case MSRS.MSR_IA32_APICBASE.index:
    case MSRS.MSR_IA32_FEAT_CTL.index:
    case MSRS.MSR_IA32_TSC_ADJUST.index:
      return cpu.msrs[index]!
    default: {
      if (index in HELD) return cpu.msrs[index] ?? 0n
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
    case FS_BASE:
    case GS_BASE:
      if (!isCanonical(value)) throw generalProtection()
      registers.segmentBase[index === FS_BASE ? 4 : 5] = value
      return
    case MSRS.MSR_EFER.index:
      return writeEfer(engine, value)
    case MSRS.MSR_IA32_APICBASE.index:
      return writeApicBase(machine, engine.index, value)
    default: {
      const rule = HELD[index]
      if (rule === undefined || !isAllowed(rule, value)) throw generalProtection()
      cpu.msrs[index] = value
    }
  }
}

const PAT_TYPES: ReadonlySet<number> = new Set([0, 1, 4, 5, 6, 7])

function isAllowed(rule: Rule, value: bigint): boolean {
  switch (rule) {
    case 'any':
      return true
    case 'canonical':
      return isCanonical(value)
    case 'low-half':
      return shiftRight(value, 32) === 0n
    case 'zero':
      return value === 0n
    case 'pat':
      return [0, 8, 16, 24, 32, 40, 48, 56].every(shift => PAT_TYPES.has(Number((value >> BigInt(shift)) & 0xffn)))
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
  const allowed = bit(EFER.SCE) | bit(EFER.LME) | bit(EFER.LMA) | bit(EFER.NX)
  const paging = (engine.registers.cr[0]! & bit(CR0.PG)) !== 0n
  if ((value & ~allowed) !== 0n || (paging && ((value ^ before) & bit(EFER.LME)) !== 0n)) throw generalProtection()
  engine.cpu.msrs[MSRS.MSR_EFER.index] = (value & ~bit(EFER.LMA)) | (before & bit(EFER.LMA))
  engine.reloadAddressSpace()
}
