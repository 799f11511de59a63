/**
 * Memory as the guest sees it at a moment, read without leaving a trace: no accessed bits, no TLB, no marks.
 *
 *     linear --(the guest's page tables)--> guest-physical --(slots of the VM, or EPT)--> host-physical
 */

import { bitField } from '../base/u64.ts'
import type { Machine } from '../hw/machine.ts'
import { isControlSet } from '../hw/vmx/state.ts'
import { hostAddress } from '../kvm/mmu.ts'
import type { KvmState } from '../kvm/state.ts'
import { CR0 } from '../spec/cr-bits.ts'
import type { TimelineView } from './timeline.ts'

const PRESENT = 1n
const LARGE = 0x80n
const ADDRESS = 0x000f_ffff_ffff_f000n
const RWX = 7n
const PAGE_OFFSET = 0xfffn

export const isUnderKvm = (machine: Machine): boolean => machine.cpus[0]!.vmx.rootSoftware === 'kvm'

/** Follows four levels of tables from `root`; `entryOf` reads an entry, or gives 0. Undefined where nothing is mapped. */
function walk(root: bigint, address: bigint, present: bigint, entryOf: (at: number) => bigint): number | undefined {
  let table = Number(root & ADDRESS)
  for (let level = 3; level >= 0; level--) {
    const shift = 12 + 9 * level
    const entry = entryOf(table + bitField(address, shift, 9) * 8)
    if ((entry & present) === 0n) return undefined
    const offsetMask = (1n << BigInt(shift)) - 1n
    if (level === 0 || (entry & LARGE) !== 0n) return Number((entry & ADDRESS & ~offsetMask) | (address & offsetMask))
    table = Number(entry & ADDRESS)
  }
  return undefined
}

/** Host-physical address of a guest-physical one; undefined where there is no memory. */
export function hostPhysical({ machine }: TimelineView, guestPhysical: number): number | undefined {
  if (isUnderKvm(machine)) {
    const vm = (machine.host as KvmState).vms[0]
    const host = vm === undefined ? -1 : hostAddress(vm, guestPhysical)
    return host < 0 ? undefined : host
  }
  const { mode, controls } = machine.cpus[0]!.vmx
  const host =
    mode === 'non-root' && isControlSet(controls, 'SECONDARY_EXEC_ENABLE_EPT')
      ? walk(controls.eptPointer, BigInt(guestPhysical), RWX, at => machine.memory.read64(at))
      : guestPhysical
  return host === undefined || host >= machine.memory.size ? undefined : host
}

/** One byte at a guest-physical address; undefined where there is no memory. */
export function guestMemory(view: TimelineView, guestPhysical: number): number | undefined {
  const host = hostPhysical(view, guestPhysical)
  return host === undefined ? undefined : view.machine.memory.read8(host)
}

/** What a linear address depends on. */
export interface AddressRegisters {
  readonly cr0: bigint
  readonly cr3: bigint
}

/** Host-physical address of a linear one, by 4-level paging when paging is on; undefined where nothing is mapped. */
function translate(view: TimelineView, { cr0, cr3 }: AddressRegisters, linear: bigint): number | undefined {
  const isPaged = bitField(cr0, CR0.PG, 1) === 1
  const physical = isPaged
    ? walk(cr3, linear, PRESENT, at => {
        const host = hostPhysical(view, at)
        return host === undefined ? 0n : view.machine.memory.read64(host)
      })
    : Number(linear)
  return physical === undefined ? undefined : hostPhysical(view, physical)
}

/** Bytes at linear addresses, for a reader of many in a row: each page is walked to once. */
export function linearBytes(view: TimelineView, registers: AddressRegisters): (linear: bigint) => number | undefined {
  let page = -1n
  let frame: number | undefined
  return linear => {
    const offset = linear & PAGE_OFFSET
    if (linear - offset !== page) {
      page = linear - offset
      frame = translate(view, registers, page)
    }
    return frame === undefined ? undefined : view.machine.memory.read8(frame + Number(offset))
  }
}

/** One byte at a linear address. */
export const linearMemory = (view: TimelineView, registers: AddressRegisters, linear: bigint): number | undefined =>
  linearBytes(view, registers)(linear)
