/** The local APIC as software sees it in x2APIC mode, and IA32_APIC_BASE (Intel SDM, "Extended xAPIC (x2APIC)"). */

import { high32, low32 } from '../../base/u64.ts'
import { APIC_BITS, APIC_REGISTERS, apicOffsetOf } from '../../spec/apic-registers.ts'
import { MSRS } from '../../spec/msrs.ts'
import { X2APIC_READABLE, x2apicWriteTarget } from '../../spec/x2apic-access.ts'
import { generalProtection } from '../cpu/faults.ts'
import type { Machine } from '../machine.ts'
import { currentCount, deadlineModeChanged, startCountdown, stopTimer } from './apic-timer.ts'
import { endOfInterrupt, priority, raise } from './interrupts.ts'
import { apicPage, apicRegister, isX2apic } from './registers.ts'

export function readX2apic(machine: Machine, cpu: number, msr: number): bigint {
  const offset = apicOffsetOf(msr)
  const name = X2APIC_READABLE.get(offset)
  if (!isX2apic(machine, cpu) || name === undefined) throw generalProtection()
  const page = apicPage(machine, cpu)
  switch (name) {
    case 'APIC_PROCPRI':
      return BigInt(priority(machine, cpu))
    case 'APIC_TMCCT':
      return BigInt(currentCount(machine, cpu))
    case 'APIC_LDR':
      return BigInt(((page.read(0x20) >>> 4) << 16) | (1 << (page.read(0x20) & 15)))
    case 'APIC_ICR':
      return (BigInt(page.read(0x310)) << 32n) | BigInt(page.read(0x300))
    default:
      return BigInt(page.read(offset))
  }
}

export function writeX2apic(machine: Machine, cpu: number, msr: number, value: bigint): void {
  const offset = apicOffsetOf(msr)
  const name = x2apicWriteTarget(msr, value)
  if (!isX2apic(machine, cpu) || name === undefined) throw generalProtection()
  const low = low32(value)
  const page = apicPage(machine, cpu)
  switch (name) {
    case 'APIC_EOI':
      return endOfInterrupt(machine, cpu)
    case 'APIC_SELF_IPI':
      return raise(machine, cpu, low)
    case 'APIC_ICR':
      page.write(0x310, high32(value))
      page.write(0x300, low)
      return sendInterrupt(machine, cpu, value)
    case 'APIC_LVTT':
      deadlineModeChanged(machine, cpu, low)
      page.write(offset, low)
      return
    case 'APIC_TMICT':
      return startCountdown(machine, cpu, low)
    case 'APIC_TDCR':
      page.write(offset, low)
      return startCountdown(machine, cpu, page.read(APIC_REGISTERS.APIC_TMICT.offset))
    default:
      page.write(offset, low)
      machine.engines[cpu]!.attention = true
  }
}

/** An interrupt command that reaches this CPU itself; there is no other one. */
function sendInterrupt(machine: Machine, cpu: number, command: bigint): void {
  const low = Number(command & 0xffff_ffffn)
  const shorthand = low & APIC_BITS.APIC_DEST_ALLBUT
  const destination = high32(command)
  const own = apicRegister(machine, cpu, 'APIC_ID')
  const reachesSelf =
    shorthand === APIC_BITS.APIC_DEST_SELF ||
    shorthand === APIC_BITS.APIC_DEST_ALLINC ||
    (shorthand === 0 && (destination === own || destination === 0xffff_ffff))
  if (!reachesSelf) return
  const mode = low & APIC_BITS.APIC_MODE_MASK
  if (mode === APIC_BITS.APIC_DM_FIXED || mode === APIC_BITS.APIC_DM_LOWEST) raise(machine, cpu, low & 0xff)
  else if (mode === APIC_BITS.APIC_DM_NMI) {
    machine.cpus[cpu]!.nmiPending = true
    machine.engines[cpu]!.attention = true
  }
}

/** IA32_APIC_BASE: disabled, xAPIC or x2APIC; from disabled there is no way straight into x2APIC. */
export function writeApicBase(machine: Machine, cpu: number, value: bigint): void {
  const msrs = machine.cpus[cpu]!.msrs
  const index = MSRS.MSR_IA32_APICBASE.index
  const enable = BigInt(APIC_BITS.MSR_IA32_APICBASE_ENABLE)
  const x2apic = BigInt(APIC_BITS.X2APIC_ENABLE)
  const before = msrs[index]!
  const reserved = value & ~0x3fff_ffff_fd00n
  const turnsOnFromDisabled = (before & enable) === 0n && (value & x2apic) !== 0n
  const leavesX2apicSideways = (before & x2apic) !== 0n && (value & x2apic) === 0n && (value & enable) !== 0n
  if (reserved !== 0n || (value & (enable | x2apic)) === x2apic || turnsOnFromDisabled || leavesX2apicSideways) throw generalProtection()
  if (!machine.config.features.includes('x2apic') && (value & x2apic) !== 0n) throw generalProtection()
  msrs[index] = value
  if ((value & enable) === 0n) stopTimer(machine, cpu)
}
