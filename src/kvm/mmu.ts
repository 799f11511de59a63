/** Guest memory: slots, and the EPT that is filled one page at a time as the guest touches it (Linux `arch/x86/kvm/mmu`). */

import { PAGE_SIZE } from '../base/units.ts'
import type { PhysicalMemory, RootMachine } from '../hw/root-cpu.ts'
import type { Context } from './context.ts'
import { kvmStateOf } from './context.ts'
import { KvmError } from './error.ts'
import type { MemorySlot, VmState } from './state.ts'

/** A zeroed page of host memory. */
export function allocateHostPage(machine: RootMachine): number {
  const kvm = kvmStateOf(machine)
  const page = kvm.lowestHostPage - PAGE_SIZE
  const lowestFree = Math.max(0, ...kvm.vms.flatMap(vm => vm.slots.map(slot => slot.hostPhysical + slot.size)))
  if (page < lowestFree) throw new KvmError('ENOMEM', 'the host has no page left; give the machine more memory')
  kvm.lowestHostPage = page
  for (let at = 0; at < PAGE_SIZE; at += 8) machine.memory.write64(page + at, 0n)
  return page
}

const slotOf = (vm: VmState, guestPhysical: number): MemorySlot | undefined =>
  vm.slots.find(({ guestPhysical: base, size }) => guestPhysical >= base && guestPhysical < base + size)

/** Whether the guest may not write there, though it has memory. */
export const isReadOnly = (vm: VmState, guestPhysical: number): boolean => slotOf(vm, guestPhysical)?.readonly ?? false

/** Host-physical address of a guest-physical one, -1 where the VM has no memory. */
export function hostAddress(vm: VmState, guestPhysical: number): number {
  const slot = slotOf(vm, guestPhysical)
  return slot === undefined ? -1 : slot.hostPhysical + (guestPhysical - slot.guestPhysical)
}

/** Of an EPT entry: rights and, of a leaf, the memory type. */
export const EPT_RWX = 7n
export const EPT_WRITE_BACK = 6n << 3n
export const EPT_ADDRESS = 0x000f_ffff_ffff_f000n
const LEVELS = 4

/** Maps one 4-KByte page in the tables below `root`. `newTable` gives a zeroed page for a table that is missing. */
export function mapPage(memory: PhysicalMemory, root: number, guestPhysical: number, leaf: bigint, newTable: () => number): void {
  let table = root
  for (let level = LEVELS - 1; level > 0; level--) {
    const entryAt = table + eptIndex(guestPhysical, level) * 8
    let entry = memory.read64(entryAt)
    if ((entry & EPT_RWX) === 0n) {
      entry = BigInt(newTable()) | EPT_RWX
      memory.write64(entryAt, entry)
    }
    table = Number(entry & EPT_ADDRESS)
  }
  memory.write64(table + eptIndex(guestPhysical, 0) * 8, leaf)
}

const eptIndex = (guestPhysical: number, level: number): number => Math.floor(guestPhysical / 2 ** (12 + 9 * level)) % 512

const EPT_WRITE = 2n

/** Maps the page that an EPT violation named. False: there is no memory, or none for a write. */
export function mapGuestPage(c: Context, guestPhysical: number, isWrite: boolean): boolean {
  const host = hostAddress(c.vm, guestPhysical)
  const readonly = isReadOnly(c.vm, guestPhysical)
  if (host < 0 || (readonly && isWrite)) return false
  mapHostPage(c, guestPhysical, host, readonly)
  return true
}

export function mapHostPage(c: Context, guestPhysical: number, host: number, readonly = false): void {
  const leaf = (BigInt(host) & EPT_ADDRESS) | (readonly ? EPT_RWX & ~EPT_WRITE : EPT_RWX) | EPT_WRITE_BACK
  mapPage(c.cpu.memory, c.vm.eptRoot, guestPhysical, leaf, () => allocateHostPage(c.machine))
}

/** The guest's next access there is an EPT violation again. */
export function unmapPage(c: Context, guestPhysical: number): void {
  mapPage(c.cpu.memory, c.vm.eptRoot, guestPhysical, 0n, () => allocateHostPage(c.machine))
}
