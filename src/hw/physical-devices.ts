/**
 * Physical addresses that are not RAM: the read-only memory that ends at 4 GiB, the page of the local APIC of the CPU that accesses it,
 * devices, and nothing. A CPU's translations lead to its own APIC page by an address of its own beyond all physical ones, so that the page
 * may lie anywhere, over RAM too, and costs nothing elsewhere.
 */

import { PAGE_SIZE } from '../base/units.ts'
import { apicPageAddress } from './apic/registers.ts'
import { readXapic, writeXapic } from './apic/xapic.ts'
import { mmioRead, mmioWrite } from './devices.ts'
import type { Machine } from './machine.ts'
import { emit } from './observe.ts'
import { apicAccessExit, readApicAccessPage, writeApicAccessPage } from './vmx/apic-access.ts'
import { guestHas } from './vmx/state.ts'

/** Beyond all 52-bit physical addresses: a page for each CPU. */
const APIC_WINDOWS = 2 ** 52
/** Behind those, for each CPU the page that its guest takes for a local APIC. */
const APIC_ACCESS_WINDOWS = 2 ** 52 + 2 ** 51
const FOUR_GIB = 2 ** 32

/** Where a CPU's access to a frame goes: to the frame, to its local APIC, or to what its guest takes for one. */
export function accessedFrame(machine: Machine, cpu: number, frame: number): number {
  const { vmx } = machine.cpus[cpu]!
  if (guestHas(vmx, 'SECONDARY_EXEC_VIRTUALIZE_APIC_ACCESSES') && frame === vmx.controls.apicAccessPage)
    return APIC_ACCESS_WINDOWS + cpu * PAGE_SIZE
  return frame === apicPageAddress(machine, cpu) ? APIC_WINDOWS + cpu * PAGE_SIZE : frame
}

/** Whether an address is one of a guest's APIC-access page. */
export const isApicAccess = (address: number): boolean => address >= APIC_ACCESS_WINDOWS

const engineOf = (machine: Machine, address: number) => machine.engines[Math.floor((address - APIC_ACCESS_WINDOWS) / PAGE_SIZE)]!

const isRom = ({ rom }: Machine, address: number): boolean => address < FOUR_GIB && address >= FOUR_GIB - rom.length

/** `size` in bytes: 1, 2 or 4; `address` lies beyond RAM. */
export function readBeyond(machine: Machine, address: number, size: number): number {
  if (isApicAccess(address)) return readApicAccessPage(engineOf(machine, address), address % PAGE_SIZE, size)
  if (isRom(machine, address)) return readRom(machine.rom, address, size)
  const value = address >= APIC_WINDOWS ? readApic(machine, address, size) : mmioRead(machine, machine.running, address, size)
  tell(machine, 0, address, size, value)
  return value
}

export function writeBeyond(machine: Machine, address: number, size: number, value: number): void {
  if (isApicAccess(address)) return writeApicAccessPage(engineOf(machine, address), address % PAGE_SIZE, size, value)
  if (isRom(machine, address)) return
  tell(machine, 1, address, size, value)
  if (address >= APIC_WINDOWS) writeApic(machine, address, size, value)
  else mmioWrite(machine, machine.running, address, size, value)
}

/**
 * An access that is wider than 32 bits, or crosses pages, is made in pieces; a guest's APIC-access page has none of it virtualized (SDM,
 * "Virtualizing Reads from the APIC-Access Page"; "Determining Whether a Write Access is Virtualized"), and the exit is of the whole.
 */
export function requireWhole(machine: Machine, address: number, access: 'read' | 'write'): void {
  if (isApicAccess(address)) throw apicAccessExit(engineOf(machine, address), address % PAGE_SIZE, access)
}

function readRom(rom: Uint8Array, address: number, size: number): number {
  const offset = address - (FOUR_GIB - rom.length)
  let value = 0
  for (let byte = size - 1; byte >= 0; byte--) value = value * 256 + (rom[offset + byte] ?? 0xff)
  return value
}

const ownerOf = (address: number): number => (address - APIC_WINDOWS - (address % PAGE_SIZE)) / PAGE_SIZE

const readApic = (machine: Machine, address: number, size: number): number =>
  readXapic(machine, ownerOf(address), address % PAGE_SIZE, size)

const writeApic = (machine: Machine, address: number, size: number, value: number): void =>
  writeXapic(machine, ownerOf(address), address % PAGE_SIZE, size, value)

/** The address as the CPU has it. */
function tell(machine: Machine, write: 0 | 1, address: number, size: number, value: number): void {
  if (machine.observe === undefined) return
  const cpu = address >= APIC_WINDOWS ? ownerOf(address) : machine.running
  const shown = address >= APIC_WINDOWS ? apicPageAddress(machine, cpu) + (address % PAGE_SIZE) : address
  emit(machine, machine.cpus[cpu]!, 'mmio', { write, address: shown, size, value })
}
