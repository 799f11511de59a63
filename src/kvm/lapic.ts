/**
 * The software local APIC (Linux `arch/x86/kvm/lapic.c`). Its registers are a page of host memory, and that same page is the
 * virtual-APIC page of the VMCS: what the hardware virtualizes and what KVM emulates meet there.
 */

import {
  type ApicPage,
  clearVector,
  highestVector,
  processorPriority,
  setVector,
  VECTOR_IRR,
  VECTOR_ISR,
  VECTOR_TMR,
} from '../devices/apic-vectors.ts'
import { APIC_BITS, APIC_REGISTERS, type ApicRegisterName, apicOffsetOf } from '../spec/apic-registers.ts'
import { X2APIC_READABLE } from '../spec/x2apic-access.ts'
import { LOCAL_VECTORS } from '../spec/xapic-access.ts'
import { type Context, trace } from './context.ts'
import { isPostedNotification } from './nested/posted.ts'

export function apicPage({ cpu, vcpu }: Context): ApicPage {
  const { memory } = cpu
  return {
    read: offset => memory.read32(vcpu.apicPage + offset),
    write: (offset, value) => memory.write32(vcpu.apicPage + offset, value),
  }
}

export const apicRegister = (c: Context, name: ApicRegisterName): number =>
  c.cpu.memory.read32(c.vcpu.apicPage + APIC_REGISTERS[name].offset)
export const setApicRegister = (c: Context, name: ApicRegisterName, value: number): void =>
  c.cpu.memory.write32(c.vcpu.apicPage + APIC_REGISTERS[name].offset, value)

const APIC_VERSION = 0x0005_0014

/**
 * Registers after reset: LVTs masked, software-disabled. LINT0 of the bootstrap processor lets the 8259 pair through, as firmware would leave
 * it (Linux KVM_X86_QUIRK_LINT0_REENABLED).
 */
export function resetApic(c: Context): void {
  const page = apicPage(c)
  for (let offset = 0; offset < 0x400; offset += 16) page.write(offset, 0)
  setApicRegister(c, 'APIC_LVR', APIC_VERSION)
  setApicRegister(c, 'APIC_DFR', 0xffff_ffff)
  setApicRegister(c, 'APIC_SPIV', 0xff)
  for (const name of LOCAL_VECTORS) setApicRegister(c, name, APIC_BITS.APIC_LVT_MASKED)
  if (c.vcpu.id === 0) setApicRegister(c, 'APIC_LVT0', APIC_BITS.APIC_DM_EXTINT)
  c.vcpu.timer.mode = 'one-shot'
  nameApic(c)
}

/** The ID register, and in x2APIC mode the logical ID that follows from it, as the mode has them. */
export function nameApic(c: Context): void {
  setApicRegister(c, 'APIC_ID', isX2apic(c) ? c.vcpu.id : c.vcpu.id * 2 ** 24)
  if (isX2apic(c)) setApicRegister(c, 'APIC_LDR', x2apicLogicalId(c))
}

const x2apicLogicalId = ({ vcpu: { id } }: Context): number => ((id >>> 4) << 16) | (1 << (id & 15))

/** What a logical destination names. */
export const logicalId = (c: Context): number => (isX2apic(c) ? x2apicLogicalId(c) : apicRegister(c, 'APIC_LDR') >>> 24)

export const isApicEnabled = ({ vm, vcpu }: Context): boolean =>
  vm.irqchip && (vcpu.apicBase & BigInt(APIC_BITS.MSR_IA32_APICBASE_ENABLE)) !== 0n
export const isX2apic = ({ vcpu }: Context): boolean => (vcpu.apicBase & BigInt(APIC_BITS.X2APIC_ENABLE)) !== 0n
export const isSoftwareEnabled = (c: Context): boolean => (apicRegister(c, 'APIC_SPIV') & APIC_BITS.APIC_SPIV_APIC_ENABLED) !== 0

/** APICv is in force for this vCPU. */
export const isApicvActive = ({ vcpu }: Context): boolean => vcpu.apicvActive

/** A fixed interrupt reaches the vCPU. */
export function acceptInterrupt(c: Context, vector: number, trigger: 'edge' | 'level' = 'edge'): void {
  if (isPostedNotification(c, vector)) {
    c.vcpu.nested.postedPending = true
    return
  }
  trace(c, 'kvm_apic_accept_irq', { apicid: c.vcpu.id, mode: 'Fixed', trigger, vector })
  const mark = trigger === 'level' ? setVector : clearVector
  mark(apicPage(c), VECTOR_TMR, vector)
  setVector(apicPage(c), VECTOR_IRR, vector)
}

/** An interrupt of the local vector table. Masked, it delivers nothing. */
export function deliverLocal(c: Context, name: 'APIC_LVTT'): void {
  const entry = apicRegister(c, name)
  if (isApicEnabled(c) && isSoftwareEnabled(c) && (entry & APIC_BITS.APIC_LVT_MASKED) === 0)
    acceptInterrupt(c, entry & APIC_BITS.APIC_VECTOR_MASK)
}

export const priority = (c: Context): number =>
  processorPriority(apicRegister(c, 'APIC_TASKPRI'), Math.max(0, highestVector(apicPage(c), VECTOR_ISR)))

/** The requested vector that beats the present priority, -1 for none. */
export function deliverableVector(c: Context): number {
  const vector = highestRequest(c)
  return vector >= 0 && isSoftwareEnabled(c) && vector >> 4 > priority(c) >> 4 ? vector : -1
}

export const highestRequest = (c: Context): number => (isApicEnabled(c) ? highestVector(apicPage(c), VECTOR_IRR) : -1)
export const highestInService = (c: Context): number => highestVector(apicPage(c), VECTOR_ISR)

/** Takes the deliverable interrupt for injection: from request to in-service. */
export function takeInterrupt(c: Context): number {
  const vector = deliverableVector(c)
  if (vector < 0) return -1
  clearVector(apicPage(c), VECTOR_IRR, vector)
  setVector(apicPage(c), VECTOR_ISR, vector)
  return vector
}

/** The vector is no longer in service. */
export const leaveService = (c: Context, vector: number): void => clearVector(apicPage(c), VECTOR_ISR, vector)

/** RDMSR of an x2APIC register, null where it raises #GP. The timer's count is not kept in the page. */
export function readX2apic(c: Context, msr: number, currentCount: () => number): bigint | null {
  const offset = apicOffsetOf(msr)
  const name = X2APIC_READABLE.get(offset)
  if (!isX2apic(c) || name === undefined) return null
  const value =
    name === 'APIC_ICR'
      ? (BigInt(apicRegister(c, 'APIC_ICR2')) << 32n) | BigInt(apicRegister(c, name))
      : BigInt(readRegister(c, name, offset, currentCount))
  trace(c, 'kvm_apic', { write: 0, register: offset, value }, 'guest')
  return value
}

/** A register of 32 bits, however software reaches it; `offset` tells the words of a bitmap apart. */
export function readRegister(c: Context, name: ApicRegisterName, offset: number, currentCount: () => number): number {
  switch (name) {
    case 'APIC_PROCPRI':
      return priority(c)
    case 'APIC_TMCCT':
      return currentCount()
    default:
      return apicPage(c).read(offset)
  }
}
