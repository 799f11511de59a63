/**
 * RDMSR and WRMSR in VMX non-root operation (Intel SDM, "MSR-Bitmap Address"; "Virtualizing MSR-Based APIC Accesses"; "APIC-Timer
 * Virtualization"). In this order: privilege, the bitmap's exit, virtualization, the real register.
 */

import { APIC_BASE_MSR, APIC_MSR_END, APIC_REGISTERS, apicOffsetOf } from '../../spec/apic-registers.ts'
import { MSRS } from '../../spec/msrs.ts'
import type { Engine } from '../cpu/engine.ts'
import { generalProtection, VmExit } from '../cpu/faults.ts'
import { ownTsc, readMsr, writeMsr } from '../cpu/msrs.ts'
import { cplOf } from '../cpu/registers.ts'
import { virtualTsc } from '../time/clock.ts'
import { readVirtualDeadline, writeVirtualDeadline } from './guest-timer.ts'
import { guestHas } from './state.ts'
import { virtualEoi, virtualPage, virtualSelfIpi, virtualTpr } from './virtual-apic.ts'

const DEADLINE = MSRS.MSR_IA32_TSC_DEADLINE.index
const TPR = APIC_REGISTERS.APIC_TASKPRI.offset
const EOI = APIC_REGISTERS.APIC_EOI.offset
const SELF_IPI = APIC_REGISTERS.APIC_SELF_IPI.offset

const isX2apic = (index: number): boolean => index >= APIC_BASE_MSR && index < APIC_MSR_END

/** The four bitmaps, 1 KByte each: reads of low MSRs, reads of high ones, writes of low ones, writes of high ones. */
function isIntercepted(engine: Engine, index: number, isWrite: boolean): boolean {
  const { vmx } = engine.cpu
  if (!guestHas(vmx, 'CPU_BASED_USE_MSR_BITMAPS')) return true
  const isLow = index < 0x2000
  const isHigh = index >= 0xc000_0000 && index < 0xc000_2000
  if (!isLow && !isHigh) return true
  const number = index & 0x1fff
  const byte = engine.memory.read8(vmx.controls.msrBitmap + (isWrite ? 2048 : 0) + (isHigh ? 1024 : 0) + (number >> 3))
  return ((byte >> (number & 7)) & 1) === 1
}

/** RDMSR as the current privilege and mode have it. */
export function guestReadMsr(engine: Engine, index: number): bigint {
  const { vmx } = engine.cpu
  if (cplOf(engine.cpu) !== 0) throw generalProtection()
  if (vmx.mode !== 'non-root') return readMsr(engine, index)
  if (isIntercepted(engine, index, false)) throw new VmExit('EXIT_REASON_MSR_READ', { byInstruction: true })
  if (index === DEADLINE && guestHas(vmx, 'TERTIARY_EXEC_GUEST_APIC_TIMER')) return readVirtualDeadline(engine)
  if (index === MSRS.MSR_IA32_TSC.index) return virtualTsc(ownTsc(engine), vmx.controls.tsc)
  if (isX2apic(index) && guestHas(vmx, 'SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE')) {
    const offset = apicOffsetOf(index)
    if (guestHas(vmx, 'SECONDARY_EXEC_APIC_REGISTER_VIRT')) {
      const page = virtualPage(engine)
      return BigInt(page.read(offset)) | (BigInt(page.read(offset + 4)) << 32n)
    }
    if (offset === TPR) return BigInt(virtualPage(engine).read(TPR))
  }
  return readMsr(engine, index)
}

/** WRMSR as the current privilege and mode have it. */
export function guestWriteMsr(engine: Engine, index: number, value: bigint): void {
  const { vmx } = engine.cpu
  if (cplOf(engine.cpu) !== 0) throw generalProtection()
  if (vmx.mode !== 'non-root') return writeMsr(engine, index, value)
  if (isIntercepted(engine, index, true)) throw new VmExit('EXIT_REASON_MSR_WRITE', { byInstruction: true })
  if (index === DEADLINE && guestHas(vmx, 'TERTIARY_EXEC_GUEST_APIC_TIMER')) return writeVirtualDeadline(engine, value)
  if (isX2apic(index) && guestHas(vmx, 'SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE') && virtualizeApicWrite(engine, apicOffsetOf(index), value))
    return
  writeMsr(engine, index, value)
}

/** TPR always; EOI and self-IPI with virtual-interrupt delivery. Any other write goes to the real APIC. */
function virtualizeApicWrite(engine: Engine, offset: number, value: bigint): boolean {
  const delivers = guestHas(engine.cpu.vmx, 'SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY')
  if (offset === TPR) {
    if (value > 0xffn) throw generalProtection()
    virtualPage(engine).write(TPR, Number(value))
    virtualTpr(engine)
    return true
  }
  if (!delivers || (offset !== EOI && offset !== SELF_IPI)) return false
  if (offset === EOI) {
    if (value !== 0n) throw generalProtection()
    virtualEoi(engine)
  } else {
    if (value > 0xffn) throw generalProtection()
    virtualSelfIpi(engine, Number(value))
  }
  return true
}
