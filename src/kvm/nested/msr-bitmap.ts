/**
 * The MSR bitmap that L2 runs on (Linux `nested_vmx_prepare_msr_bitmap`): an access passes only where neither KVM nor L1 wants to see
 * it. The local APIC's registers are L1's virtual-APIC page or KVM's emulated APIC, never the real one; IA32_TSC_DEADLINE belongs to
 * L2 alone when it has the guest timer, whatever the filter of user space says (the series' patch 12).
 */

import { PAGE_SIZE } from '../../base/units.ts'
import { APIC_BASE_MSR, APIC_REGISTERS, x2apicMsrOf } from '../../spec/apic-registers.ts'
import { MSRS } from '../../spec/msrs.ts'
import type { Context } from '../context.ts'
import { hostAddress } from '../mmu.ts'
import { passThroughMsrs } from '../vmcs01.ts'
import { hasGuestTimer } from './apic-timer.ts'
import { readVmcs12Number, vmcs12Has } from './vmcs12.ts'

const TPR = x2apicMsrOf(APIC_REGISTERS.APIC_TASKPRI.offset)
const EOI = x2apicMsrOf(APIC_REGISTERS.APIC_EOI.offset)
const SELF_IPI = x2apicMsrOf(APIC_REGISTERS.APIC_SELF_IPI.offset)
const DEADLINE = MSRS.MSR_IA32_TSC_DEADLINE.index
const WRITES = 2048
const X2APIC_BYTES = 32

const byteOf = (msr: number, write: boolean): number => (write ? WRITES : 0) + (msr >= 0xc000_0000 ? 1024 : 0) + ((msr & 0x1fff) >> 3)

/** Whether vmcs12 has an access to this MSR exit: with no bitmap, or outside its ranges, every one does. */
export function exitsOnMsr(c: Context, msr: number, write: boolean): boolean {
  if (!vmcs12Has(c, 'CPU_BASED_USE_MSR_BITMAPS')) return true
  if (msr >= 0x2000 && (msr < 0xc000_0000 || msr >= 0xc000_2000)) return true
  const host = hostAddress(c.vm, readVmcs12Number(c, 'MSR_BITMAP') + byteOf(msr, write))
  const byte = host < 0 ? 0xff : c.cpu.memory.read8(host)
  return ((byte >> (msr & 7)) & 1) === 1
}

/** Fills the page; false when L1 uses no bitmap, and then L2 runs without one. */
export function prepareMsrBitmap(c: Context): boolean {
  const { cpu, vcpu, vm } = c
  if (!vmcs12Has(c, 'CPU_BASED_USE_MSR_BITMAPS')) return false
  const own = vcpu.nested.msrBitmap
  const theirs = hostAddress(vm, readVmcs12Number(c, 'MSR_BITMAP'))
  const { memory } = cpu
  for (let at = 0; at < PAGE_SIZE; at += 8) {
    const wanted = theirs < 0 ? 0xffff_ffff_ffff_ffffn : memory.read64(theirs + at)
    memory.write64(own + at, memory.read64(vcpu.msrBitmap + at) | wanted)
  }
  interceptX2apic(c)
  const pass = (msr: number, write: boolean): void => {
    if (exitsOnMsr(c, msr, write)) return
    const at = own + byteOf(msr, write)
    memory.write8(at, memory.read8(at) & ~(1 << (msr & 7)))
  }
  if (vmcs12Has(c, 'SECONDARY_EXEC_VIRTUALIZE_X2APIC_MODE')) passVirtualApic(c, pass)
  for (const write of [false, true]) {
    const at = own + byteOf(DEADLINE, write)
    memory.write8(at, memory.read8(at) | (1 << (DEADLINE & 7)))
    if (hasGuestTimer(c)) pass(DEADLINE, write)
  }
  return true
}

/** Which MSRs pass is worked out anew, for L1 and where L2 runs for it too (Linux `vmx_recalc_msr_intercepts`). */
export function msrFilterChanged(c: Context): void {
  passThroughMsrs(c)
  if (c.vcpu.nested.guestMode) prepareMsrBitmap(c)
}

function interceptX2apic({ cpu, vcpu }: Context): void {
  for (const write of [false, true]) {
    const at = vcpu.nested.msrBitmap + byteOf(APIC_BASE_MSR, write)
    for (let byte = 0; byte < X2APIC_BYTES; byte += 8) cpu.memory.write64(at + byte, 0xffff_ffff_ffff_ffffn)
  }
}

/** What the CPU serves from L1's virtual-APIC page, as far as L1 lets it pass. */
function passVirtualApic(c: Context, pass: (msr: number, write: boolean) => void): void {
  if (vmcs12Has(c, 'SECONDARY_EXEC_APIC_REGISTER_VIRT'))
    for (let msr = APIC_BASE_MSR; msr < APIC_BASE_MSR + 8 * X2APIC_BYTES; msr++) pass(msr, false)
  pass(TPR, false)
  pass(TPR, true)
  if (!vmcs12Has(c, 'SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY')) return
  pass(EOI, true)
  pass(SELF_IPI, true)
}
