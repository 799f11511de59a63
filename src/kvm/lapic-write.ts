/** WRMSR of x2APIC registers, and IA32_APIC_BASE, as KVM emulates them (Linux `arch/x86/kvm/lapic.c`). */

import { high32, low32 } from '../base/u64.ts'
import { APIC_BITS, APIC_REGISTERS, type ApicRegisterName, apicOffsetOf } from '../spec/apic-registers.ts'
import { x2apicWriteTarget } from '../spec/x2apic-access.ts'
import { type Context, trace } from './context.ts'
import { acceptInterrupt, apicPage, endOfInterrupt, isX2apic, setApicRegister } from './lapic.ts'
import { disableTimer, writeDivide, writeInitialCount, writeLvtt } from './lapic-timer.ts'
import { updateApicVirtualization } from './vmcs01.ts'

/** False where the write raises #GP. */
export function writeX2apic(c: Context, msr: number, value: bigint): boolean {
  const offset = apicOffsetOf(msr)
  const name = x2apicWriteTarget(msr, value)
  if (!isX2apic(c) || name === undefined) return false
  trace(c, 'kvm_apic', { write: 1, register: offset, value }, 'guest')
  writeRegister(c, name, low32(value), value)
  return true
}

function writeRegister(c: Context, name: ApicRegisterName, low: number, value: bigint): void {
  switch (name) {
    case 'APIC_EOI':
      return endOfInterrupt(c)
    case 'APIC_SELF_IPI':
      return acceptInterrupt(c, low)
    case 'APIC_ICR':
      apicPage(c).write(APIC_REGISTERS.APIC_ICR2.offset, high32(value))
      setApicRegister(c, name, low)
      return sendInterrupt(c, low, high32(value))
    case 'APIC_LVTT':
      return writeLvtt(c, low)
    case 'APIC_TMICT':
      return writeInitialCount(c, low)
    case 'APIC_TDCR':
      return writeDivide(c, low)
    default:
      setApicRegister(c, name, low)
  }
}

/** An interrupt command that reaches this vCPU itself; there is no other one. */
function sendInterrupt(c: Context, command: number, destination: number): void {
  const shorthand = command & APIC_BITS.APIC_DEST_ALLBUT
  const addressed = shorthand === 0 && (destination === c.vcpu.id || destination === 0xffff_ffff)
  const mode = command & APIC_BITS.APIC_MODE_MASK
  const fixed = mode === APIC_BITS.APIC_DM_FIXED || mode === APIC_BITS.APIC_DM_LOWEST
  if (fixed && (addressed || shorthand === APIC_BITS.APIC_DEST_SELF || shorthand === APIC_BITS.APIC_DEST_ALLINC))
    acceptInterrupt(c, command & 0xff)
}

const ENABLE = BigInt(APIC_BITS.MSR_IA32_APICBASE_ENABLE)
const X2APIC = BigInt(APIC_BITS.X2APIC_ENABLE)

/** False where the write raises #GP: reserved bits, x2APIC without enable, or a transition the SDM does not have. */
export function writeApicBase(c: Context, value: bigint): boolean {
  const { vcpu } = c
  const before = vcpu.apicBase
  const straightToX2apic = (before & ENABLE) === 0n && (value & X2APIC) !== 0n
  const sideways = (before & X2APIC) !== 0n && (value & X2APIC) === 0n && (value & ENABLE) !== 0n
  if ((value & ~0x3fff_ffff_fd00n) !== 0n || (value & (ENABLE | X2APIC)) === X2APIC || straightToX2apic || sideways) return false
  vcpu.apicBase = value
  if ((value & ENABLE) === 0n) disableTimer(c)
  updateApicVirtualization(c)
  return true
}
