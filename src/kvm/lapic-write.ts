/** Writes of the local APIC's registers, and of IA32_APIC_BASE, as KVM emulates them (Linux `arch/x86/kvm/lapic.c`). */

import { high32, low32 } from '../base/u64.ts'
import { APIC_BITS, type ApicRegisterName, apicOffsetOf } from '../spec/apic-registers.ts'
import { x2apicWriteTarget } from '../spec/x2apic-access.ts'
import { APIC_DEFAULT_BASE, DFR_ONES, LOCAL_VECTORS } from '../spec/xapic-access.ts'
import { setApicvInhibit } from './apicv.ts'
import { type Context, trace } from './context.ts'
import { endOfInterrupt } from './eoi.ts'
import { sendCommand } from './interrupt-messages.ts'
import { acceptInterrupt, apicRegister, isSoftwareEnabled, isX2apic, nameApic, resetApic, setApicRegister } from './lapic.ts'
import { disableTimer, writeDivide, writeInitialCount, writeLvtt } from './lapic-timer.ts'
import type { MsrAccess } from './msr-access.ts'
import { updateApicVirtualization } from './vmcs01.ts'

/** False where the write raises #GP. */
export function writeX2apic(c: Context, msr: number, value: bigint): boolean {
  const offset = apicOffsetOf(msr)
  const name = x2apicWriteTarget(msr, value)
  if (!isX2apic(c) || name === undefined) return false
  trace(c, 'kvm_apic', { write: 1, register: offset, value }, 'guest')
  if (name === 'APIC_ICR') setApicRegister(c, 'APIC_ICR2', high32(value))
  writeRegister(c, name, low32(value))
  return true
}

/** A register of 32 bits takes a value whose bits are all writable, however software reaches it. */
export function writeRegister(c: Context, name: ApicRegisterName, value: number): void {
  switch (name) {
    case 'APIC_EOI':
      return endOfInterrupt(c)
    case 'APIC_SELF_IPI':
      return acceptInterrupt(c, value)
    case 'APIC_ICR':
      setApicRegister(c, name, value)
      return sendCommand(c, value, apicRegister(c, 'APIC_ICR2'))
    case 'APIC_SPIV':
      return writeSpurious(c, value)
    case 'APIC_DFR':
      return setApicRegister(c, name, (value | DFR_ONES) >>> 0)
    case 'APIC_ID':
      return writeId(c, value)
    case 'APIC_TMICT':
      return writeInitialCount(c, value)
    case 'APIC_TDCR':
      return writeDivide(c, value)
    default:
      if (LOCAL_VECTORS.includes(name)) writeLocalVector(c, name, isSoftwareEnabled(c) ? value : value | APIC_BITS.APIC_LVT_MASKED)
      else setApicRegister(c, name, value)
  }
}

function writeLocalVector(c: Context, name: ApicRegisterName, value: number): void {
  if (name === 'APIC_LVTT') writeLvtt(c, value)
  else setApicRegister(c, name, value)
}

/** The CPU's virtualization takes the ID for the vCPU's number: with another one APICv is over, for good. */
function writeId(c: Context, value: number): void {
  setApicRegister(c, 'APIC_ID', value)
  checkApicId(c)
}

export function checkApicId(c: Context): void {
  if (!isX2apic(c) && apicRegister(c, 'APIC_ID') >>> 24 !== c.vcpu.id) setApicvInhibit(c, 'apicIdModified', true)
}

/** While the APIC is software-disabled, the entries of the local vector table stay masked. */
function writeSpurious(c: Context, value: number): void {
  setApicRegister(c, 'APIC_SPIV', value)
  if ((value & APIC_BITS.APIC_SPIV_APIC_ENABLED) !== 0) return
  for (const name of LOCAL_VECTORS) writeLocalVector(c, name, apicRegister(c, name) | APIC_BITS.APIC_LVT_MASKED)
}

const ENABLE = BigInt(APIC_BITS.MSR_IA32_APICBASE_ENABLE)
const X2APIC = BigInt(APIC_BITS.X2APIC_ENABLE)
const BASE = ~0xfffn

/** False where the write raises #GP: reserved bits, x2APIC without enable, or for the guest a transition the SDM does not have. */
export function writeApicBase(c: Context, value: bigint, by: MsrAccess): boolean {
  const { vcpu } = c
  const before = vcpu.apicBase
  const straightToX2apic = (before & ENABLE) === 0n && (value & X2APIC) !== 0n
  const sideways = (before & X2APIC) !== 0n && (value & X2APIC) === 0n && (value & ENABLE) !== 0n
  if ((value & ~0x3fff_ffff_fd00n) !== 0n || (value & (ENABLE | X2APIC)) === X2APIC) return false
  if (by === 'guest' && (straightToX2apic || sideways)) return false
  vcpu.apicBase = value
  if ((value & ENABLE) === 0n && (before & ENABLE) !== 0n) {
    disableTimer(c)
    resetApic(c)
  } else if (((value ^ before) & X2APIC) !== 0n) nameApic(c)
  if ((value & ENABLE) !== 0n && (value & BASE) !== BigInt(APIC_DEFAULT_BASE)) setApicvInhibit(c, 'apicBaseModified', true)
  updateApicVirtualization(c)
  return true
}
