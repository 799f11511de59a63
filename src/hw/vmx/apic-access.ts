/**
 * The APIC-access page (Intel SDM, "Virtualizing Memory-Mapped APIC Accesses"): what the guest takes for its local APIC. A read or
 * write that the controls virtualize goes to the virtual-APIC page; any other leaves the guest. A write is emulated when the
 * instruction is complete, before anything else happens (see "APIC-Write Emulation").
 */

import { APIC_REGISTERS } from '../../spec/apic-registers.ts'
import { partOf } from '../../spec/xapic-access.ts'
import type { Engine } from '../cpu/engine.ts'
import { VmExit } from '../cpu/faults.ts'
import { guestHas, type VmxState } from './state.ts'
import { virtualEoi, virtualPage, virtualSelfIpi, virtualTpr } from './virtual-apic.ts'

const TPR = APIC_REGISTERS.APIC_TASKPRI.offset
const EOI = APIC_REGISTERS.APIC_EOI.offset
const ICR = APIC_REGISTERS.APIC_ICR.offset
const ICR_HIGH = APIC_REGISTERS.APIC_ICR2.offset

/** Registers 16 bytes apart, from the first to the last. */
const range = (first: number, last: number): readonly number[] =>
  Array.from({ length: (last - first) / 16 + 1 }, (_, index) => first + 16 * index)

/** ID, version, TPR, EOI, LDR, DFR, spurious vector, ISR, TMR, IRR, ESR, ICR, LVTs (not the CMCI one), initial count, divide configuration. */
const READABLE: ReadonlySet<number> = new Set([0x20, 0x30, TPR, EOI, ...range(0xd0, 0x280), ICR, ICR_HIGH, ...range(0x320, 0x380), 0x3e0])
const WRITABLE: ReadonlySet<number> = new Set([...[0x20, TPR, EOI, 0xd0, 0xe0, 0xf0, 0x280, ICR, ICR_HIGH], ...range(0x320, 0x380), 0x3e0])

/** Exit qualification: offset in the page 11:0, type of access 15:12. */
const ACCESS = { read: 0, write: 1, fetch: 2, delivery: 3 } as const

/** The exit for an access; during the delivery of an event that is its type. */
export function apicAccessExit(engine: Engine, offset: number, access: 'read' | 'write' | 'fetch'): VmExit {
  const type = engine.delivering === null ? ACCESS[access] : ACCESS.delivery
  return new VmExit('EXIT_REASON_APIC_ACCESS', { byInstruction: true, qualification: BigInt(offset | (type << 12)) })
}

/** Within the four bytes of a register. */
const isWithinRegister = (offset: number, size: number): boolean => (offset & 0xf) + size <= 4

function isReadVirtualized(vmx: VmxState, register: number): boolean {
  if (guestHas(vmx, 'SECONDARY_EXEC_APIC_REGISTER_VIRT')) return READABLE.has(register)
  return register === TPR
}

function isWriteVirtualized(vmx: VmxState, register: number): boolean {
  if (register === TPR) return true
  if (guestHas(vmx, 'SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY') && (register === EOI || register === ICR)) return true
  return guestHas(vmx, 'SECONDARY_EXEC_APIC_REGISTER_VIRT') && WRITABLE.has(register)
}

export function readApicAccessPage(engine: Engine, offset: number, size: number): number {
  const { vmx } = engine.cpu
  const register = offset & ~0xf
  const virtualized = guestHas(vmx, 'CPU_BASED_TPR_SHADOW') && isWithinRegister(offset, size) && isReadVirtualized(vmx, register)
  if (!virtualized) throw apicAccessExit(engine, offset, 'read')
  return partOf(virtualPage(engine).read(register), offset & 3, size)
}

export function writeApicAccessPage(engine: Engine, offset: number, size: number, value: number): void {
  const { vmx } = engine.cpu
  const register = offset & ~0xf
  const virtualized = guestHas(vmx, 'CPU_BASED_TPR_SHADOW') && isWithinRegister(offset, size) && isWriteVirtualized(vmx, register)
  if (!virtualized) throw apicAccessExit(engine, offset, 'write')
  const page = virtualPage(engine)
  const shift = 8 * (offset & 3)
  const mask = ((2 ** (8 * size) - 1) << shift) >>> 0
  page.write(register, ((page.read(register) & ~mask) | (value << shift)) >>> 0)
  vmx.apicWrite = register
  engine.attention = true
}

/** What a completed write does. Throws the exit that it asks for. */
export function emulateApicWrite(engine: Engine): void {
  const { vmx } = engine.cpu
  const register = vmx.apicWrite
  vmx.apicWrite = -1
  const page = virtualPage(engine)
  const delivers = guestHas(vmx, 'SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY')
  if (register === TPR) {
    page.write(TPR, page.read(TPR) & 0xff)
    virtualTpr(engine)
  } else if (register === EOI && delivers) {
    page.write(EOI, 0)
    virtualEoi(engine)
  } else if (register === ICR && delivers && isSelfIpi(page.read(ICR))) virtualSelfIpi(engine, page.read(ICR) & 0xff)
  else if (register === ICR_HIGH) page.write(ICR_HIGH, (page.read(ICR_HIGH) & 0xff00_0000) >>> 0)
  else throw new VmExit('EXIT_REASON_APIC_WRITE', { qualification: BigInt(register) })
}

/** Bits that an ICR write must have at 0: reserved ones, delivery mode and status, trigger mode; the shorthand is "self". */
const ICR_ZERO = 0xfff3_b700
const SHORTHAND = 0xc_0000
const SELF = 0x4_0000
const LEAST_VECTOR = 16

const isSelfIpi = (icr: number): boolean => (icr & ICR_ZERO) === 0 && (icr & SHORTHAND) === SELF && (icr & 0xff) >= LEAST_VECTOR
