/**
 * Guest memory: slots, and the EPT that is filled one page at a time as the guest touches it (Linux `arch/x86/kvm/mmu`); and the
 * guest's own page tables, read where KVM must follow a linear address.
 */

import { PAGE_SIZE } from '../base/units.ts'
import type { RootMachine } from '../hw/root-cpu.ts'
import type { Context } from './context.ts'
import { kvmStateOf } from './context.ts'
import { KvmError } from './error.ts'
import type { VmState } from './state.ts'

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

/** Host-physical address of a guest-physical one, -1 where the VM has no memory. */
export function hostAddress(vm: VmState, guestPhysical: number): number {
  const slot = vm.slots.find(({ guestPhysical: base, size }) => guestPhysical >= base && guestPhysical < base + size)
  return slot === undefined ? -1 : slot.hostPhysical + (guestPhysical - slot.guestPhysical)
}

const RWX = 7n
const WRITE_BACK = 6n << 3n
const ADDRESS = 0x000f_ffff_ffff_f000n

/** Maps the page that an EPT violation named. False: there is no memory. */
export function mapGuestPage(c: Context, guestPhysical: number): boolean {
  const host = hostAddress(c.vm, guestPhysical)
  if (host < 0) return false
  const { memory } = c.cpu
  let table = c.vm.eptRoot
  for (let level = 3; level > 0; level--) {
    const entryAt = table + Number((BigInt(guestPhysical) >> BigInt(12 + 9 * level)) & 0x1ffn) * 8
    let entry = memory.read64(entryAt)
    if ((entry & RWX) === 0n) {
      entry = BigInt(allocateHostPage(c.machine)) | RWX
      memory.write64(entryAt, entry)
    }
    table = Number(entry & ADDRESS)
  }
  const entryAt = table + Math.floor((guestPhysical % 2 ** 21) / PAGE_SIZE) * 8
  memory.write64(entryAt, (BigInt(host) & ADDRESS) | RWX | WRITE_BACK)
  return true
}

const PRESENT = 1n
const LARGE = 0x80n

/** Guest-physical address of a linear one by the guest's 4-level tables, -1 where it is not mapped. */
export function guestPhysicalOf(c: Context, linear: bigint): number {
  let table = Number(c.cpu.vmread('GUEST_CR3') & ADDRESS)
  for (let level = 3; level >= 0; level--) {
    const host = hostAddress(c.vm, table + Number((linear >> BigInt(12 + 9 * level)) & 0x1ffn) * 8)
    const entry = host < 0 ? 0n : c.cpu.memory.read64(host)
    if ((entry & PRESENT) === 0n) return -1
    const offsetMask = (1n << BigInt(12 + 9 * level)) - 1n
    if (level === 0 || (entry & LARGE) !== 0n) return Number((entry & ADDRESS & ~offsetMask) | (linear & offsetMask))
    table = Number(entry & ADDRESS)
  }
  return -1
}

/** One byte of guest memory at a linear address, -1 where there is none. */
export function readGuestByte(c: Context, linear: bigint): number {
  const guestPhysical = guestPhysicalOf(c, linear)
  const host = guestPhysical < 0 ? -1 : hostAddress(c.vm, guestPhysical)
  return host < 0 ? -1 : c.cpu.memory.read8(host)
}

export function writeGuestByte(c: Context, linear: bigint, value: number): boolean {
  const guestPhysical = guestPhysicalOf(c, linear)
  const host = guestPhysical < 0 ? -1 : hostAddress(c.vm, guestPhysical)
  if (host < 0) return false
  c.cpu.memory.write8(host, value)
  return true
}
