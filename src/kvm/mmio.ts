/**
 * Guest-physical addresses that are devices in the kernel (Linux `vcpu_mmio_read`, `vcpu_mmio_write`): the page of the vCPU's local APIC in xAPIC
 * mode, and the I/O APIC. Everything else is user space's.
 */

import { type InterruptMessage, IO_APIC_BASE, readIoApic, writeIoApic } from '../devices/ioapic.ts'
import { partOf, registerAt, XAPIC_WRITABLE } from '../spec/xapic-access.ts'
import { type Context, contextsOf, trace } from './context.ts'
import { deliverAll } from './irqchip.ts'
import { apicPage, isApicEnabled, isX2apic, readRegister } from './lapic.ts'
import { currentCount } from './lapic-timer.ts'
import { writeRegister } from './lapic-write.ts'

const PAGE_MASK = 0xfff
const IO_APIC_BYTES = 0x100

/** Offset in the vCPU's APIC page, -1 outside. */
function apicOffset(c: Context, address: number): number {
  if (!isApicEnabled(c) || isX2apic(c)) return -1
  return Number(c.vcpu.apicBase & ~0xfffn) === address - (address & PAGE_MASK) ? address & PAGE_MASK : -1
}

const ioApicOffset = ({ vm }: Context, address: number): number =>
  vm.chips !== null && address >= IO_APIC_BASE && address < IO_APIC_BASE + IO_APIC_BYTES ? address - IO_APIC_BASE : -1

/** What a device in the kernel answers, null where none is. */
export function readInKernel(c: Context, address: number, size: number): bigint | null {
  const register = apicOffset(c, address)
  if (register >= 0) return BigInt(readXapic(c, register, size))
  const offset = ioApicOffset(c, address)
  return offset < 0 ? null : BigInt(partOf(readIoApic(c.vm.chips!.ioApic, offset & ~3), offset & 3, Math.min(size, 4)))
}

/** False where no device in the kernel is. */
export function writeInKernel(c: Context, address: number, size: number, value: bigint): boolean {
  const low = Number(BigInt.asUintN(32, value))
  const register = apicOffset(c, address)
  if (register >= 0) {
    writeXapic(c, register, size, low)
    return true
  }
  const offset = ioApicOffset(c, address)
  if (offset < 0) return false
  const messages: InterruptMessage[] = []
  writeIoApic(c.vm.chips!.ioApic, offset & ~3, low, messages)
  for (const { vcpu } of contextsOf(c)) vcpu.scanIoApic = true
  deliverAll(c, messages)
  return true
}

/** Registers are 32 bits wide, 16 bytes apart; the bytes behind one are nothing. */
function readXapic(c: Context, offset: number, size: number): number {
  const name = registerAt.get(offset & ~0xf)
  const value =
    name === undefined || name === 'APIC_EOI' || name === 'APIC_SELF_IPI' || (offset & 0xc) !== 0
      ? 0
      : readRegister(c, name, offset & ~0xf, () => currentCount(c))
  trace(c, 'kvm_apic', { write: 0, register: offset & ~3, value: BigInt(value) }, 'guest')
  return partOf(value, offset & 3, Math.min(size, 4))
}

/** A write that is not of 32 bits at a register is ignored. */
function writeXapic(c: Context, offset: number, size: number, value: number): void {
  if (size === 4 && (offset & 0xf) === 0) writeXapicRegister(c, offset, value)
}

export function writeXapicRegister(c: Context, offset: number, value: number): void {
  const name = registerAt.get(offset)
  const writable = name === undefined || name === 'APIC_SELF_IPI' ? undefined : XAPIC_WRITABLE[name]
  trace(c, 'kvm_apic', { write: 1, register: offset, value: BigInt(value) }, 'guest')
  if (name !== undefined && writable !== undefined) writeRegister(c, name, (value & writable) >>> 0)
}

/** The CPU has put a value into the virtual-APIC page and leaves the rest to KVM (exit reason "APIC write"). */
export function completeVirtualWrite(c: Context, offset: number): void {
  const page = apicPage(c)
  writeXapicRegister(c, offset, page.read(offset))
}
