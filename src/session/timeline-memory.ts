/**
 * Memory as the guest sees it at a moment, read without leaving a trace: no accessed bits, no TLB, no marks.
 *
 *     linear --(the guest's page tables)--> guest-physical --(L1's EPT for L2)--> L1's physical --(slots of the VM)--> host-physical
 */

import { low32, pageNumber } from '../base/u64.ts'
import { pagingFormat } from '../hw/cpu/address-space.ts'
import { PAGING_FORMATS, type PagingFormatName, type WalkLevel, walkLevels } from '../hw/cpu/paging-formats.ts'
import type { Machine } from '../hw/machine.ts'
import { isControlSet } from '../hw/vmx/state.ts'
import { hostAddress } from '../kvm/mmu.ts'
import { readVmcs12, vmcs12Has } from '../kvm/nested/vmcs12.ts'
import type { KvmState, VcpuState, VmState } from '../kvm/state.ts'
import { CR4 } from '../spec/cr-bits.ts'
import type { TimelineView } from './timeline.ts'

const PRESENT = 1n
const LARGE = 0x80n
const ADDRESS = 0x000f_ffff_ffff_f000n
const TABLE_ADDRESS = { 4: 0xffff_f000n, 8: ADDRESS } as const
const EPT_RWX = 7n
const EPT_SHIFTS = [39, 30, 21, 12] as const
const PAGE_OFFSET = 0xfffn

export const isUnderKvm = (machine: Machine): boolean => machine.cpus[0]!.vmx.rootSoftware === 'kvm'

/** KVM's VM, and the vCPU that is pinned to a CPU; undefined on the bare CPU and before they are made. */
export function vcpuOf(machine: Machine, cpu: number): { readonly vm: VmState; readonly vcpu: VcpuState } | undefined {
  if (!isUnderKvm(machine)) return undefined
  const vm = (machine.host as KvmState | null)?.vms[0]
  const vcpu = vm?.vcpus[cpu]
  return vm && vcpu && { vm, vcpu }
}

/** The entries that a translation went through, by host-physical address: while they stay, it stays. */
export type Trail = { readonly at: number; readonly entry: bigint }[]

/** Walks an EPT whose tables are read through `hostOf`. */
function eptWalk(machine: Machine, pointer: bigint, address: number, hostOf: (at: number) => number | undefined, trail?: Trail) {
  let table = Number(pointer & ADDRESS)
  for (const shift of EPT_SHIFTS) {
    const at = hostOf(table + (Math.floor(address / 2 ** shift) % 512) * 8)
    if (at === undefined) return undefined
    const entry = machine.memory.read64(at)
    trail?.push({ at, entry })
    if ((entry & EPT_RWX) === 0n) return undefined
    const bytes = 2 ** shift
    const target = Number(entry & ADDRESS)
    if (shift === 12 || (shift < 39 && (entry & LARGE) !== 0n)) return target - (target % bytes) + (address % bytes)
    table = target
  }
  return undefined
}

/** Host-physical address of what the guest that runs takes for physical; undefined where there is no memory. */
export function hostPhysical({ machine, cpu = 0 }: MemoryView, guestPhysical: number, trail?: Trail): number | undefined {
  const inRam = (host: number | undefined): number | undefined => (host === undefined || host >= machine.memory.size ? undefined : host)
  const kvm = vcpuOf(machine, cpu)
  if (kvm !== undefined) {
    const { vm, vcpu } = kvm
    const ofL1 = (physical: number): number | undefined => {
      const host = hostAddress(vm, physical)
      return host < 0 ? undefined : host
    }
    const holder = { cpu: machine, vcpu }
    if (!vcpu.nested.guestMode || !vmcs12Has(holder, 'SECONDARY_EXEC_ENABLE_EPT')) return ofL1(guestPhysical)
    const physical = eptWalk(machine, readVmcs12(holder, 'EPT_POINTER'), guestPhysical, ofL1, trail)
    return physical === undefined ? undefined : ofL1(physical)
  }
  const { mode, controls } = machine.cpus[cpu]!.vmx
  if (mode !== 'non-root' || !isControlSet(controls, 'SECONDARY_EXEC_ENABLE_EPT')) return inRam(guestPhysical)
  return inRam(eptWalk(machine, controls.eptPointer, guestPhysical, inRam, trail))
}

/** Whose memory is read. */
export type MemoryView = Pick<TimelineView, 'machine'> & { readonly cpu?: number }

/** One byte at a guest-physical address; undefined where there is no memory. */
export function guestMemory(view: MemoryView, guestPhysical: number): number | undefined {
  const host = hostPhysical(view, guestPhysical)
  return host === undefined ? undefined : view.machine.memory.read8(host)
}

/** What a linear address depends on. */
export interface AddressRegisters {
  readonly cr0: bigint
  readonly cr3: bigint
  readonly cr4: bigint
  readonly efer: bigint
  /** PDPTE0..PDPTE3, which PAE paging loads with CR3. */
  readonly pdptes: readonly bigint[]
}

/** One entry of a walk through the paging structures. */
export interface WalkEntry {
  /** Which bit of the linear address its index begins at: log2 of the bytes it maps. */
  readonly shift: number
  /** Guest-physical address; -1 for a PDPTE register. */
  readonly at: number
  readonly entry: bigint
}

export interface PageWalk {
  /** Null: without paging linear addresses are physical. */
  readonly format: PagingFormatName | null
  readonly entries: readonly WalkEntry[]
  /** Undefined: not mapped, by the last of the entries. */
  readonly physical: number | undefined
  readonly host: number | undefined
}

const bytesAt = ({ memory }: Machine, host: number, bytes: 4 | 8): bigint =>
  bytes === 8 ? memory.read64(host) : BigInt(memory.read32(host))

/** From a linear address to the physical ones, in whatever paging mode, with every entry on the way. */
export function pageWalk(view: MemoryView, registers: AddressRegisters, linear: bigint, trail?: Trail): PageWalk {
  const { machine } = view
  const { cr0, cr3, cr4, efer, pdptes } = registers
  const format = pagingFormat(cr0, cr4, efer)
  const arrive = (entries: readonly WalkEntry[], physical: number): PageWalk => ({
    format,
    entries,
    physical,
    host: hostPhysical(view, physical, trail),
  })
  if (format === null) return arrive([], low32(linear))
  const { entryBytes, linearBits } = PAGING_FORMATS[format]
  const entries: WalkEntry[] = []
  const missing: PageWalk = { format, entries, physical: undefined, host: undefined }
  if (linearBits > 32 && BigInt.asUintN(64, BigInt.asIntN(linearBits, linear)) !== linear) return missing
  const page = pageNumber(linear)
  let table = Number(cr3 & TABLE_ADDRESS[entryBytes])
  if (format === 'PAE') {
    const pdpte = pdptes[low32(linear) >>> 30] ?? 0n
    entries.push({ shift: 30, at: -1, entry: pdpte })
    if ((pdpte & PRESENT) === 0n) return missing
    table = Number(pdpte & ADDRESS)
  }
  for (const { shift, indexBits, mapsLarge } of levelsOf(machine, format, cr4)) {
    const at = table + (Math.floor(page / 2 ** (shift - 12)) % 2 ** indexBits) * entryBytes
    const host = hostPhysical(view, at, trail)
    if (host === undefined) return missing
    const entry = bytesAt(machine, host, entryBytes)
    trail?.push({ at: host, entry: machine.memory.read64(host) })
    entries.push({ shift, at, entry })
    if ((entry & PRESENT) === 0n) return missing
    if (shift === 12 || (mapsLarge && (entry & LARGE) !== 0n)) {
      const inPage = low32(linear) & 0xfff
      return arrive(entries, frameOf(entry, entryBytes, shift) + (page % 2 ** (shift - 12)) * 4096 + inPage)
    }
    table = Number(entry & TABLE_ADDRESS[entryBytes])
  }
  return missing
}

/** A 4-MByte page has bits 39:32 of its address in bits 20:13 (PSE-36). */
function frameOf(entry: bigint, entryBytes: 4 | 8, shift: number): number {
  if (entryBytes === 4 && shift === 22) return ((low32(entry) & 0xffc0_0000) >>> 0) + ((low32(entry) >>> 13) & 0xff) * 2 ** 32
  const address = Number(entry & TABLE_ADDRESS[entryBytes])
  return address - (address % 2 ** shift)
}

const levelCache = new Map<string, readonly WalkLevel[]>()

function levelsOf({ config }: Machine, format: PagingFormatName, cr4: bigint): readonly WalkLevel[] {
  const pageSizeExtensions = (cr4 & (1n << BigInt(CR4.PSE))) !== 0n
  const gigabytePages = config.features.includes('pdpe1gb')
  const pse36 = config.features.includes('pse36')
  const key = `${format} ${pageSizeExtensions} ${gigabytePages} ${pse36}`
  const known = levelCache.get(key)
  if (known !== undefined) return known
  // Reserved bits are not looked at here: whatever raises a fault was never used.
  const levels = walkLevels(format, { noExecute: true, pageSizeExtensions, pse36, gigabytePages })
  levelCache.set(key, levels)
  return levels
}

/** Bytes at linear addresses, for a reader of many in a row: each page is walked to once. */
export function linearBytes(view: MemoryView, registers: AddressRegisters): (linear: bigint) => number | undefined {
  let page = -1n
  let frame: number | undefined
  return linear => {
    const offset = linear & PAGE_OFFSET
    if (linear - offset !== page) {
      page = linear - offset
      frame = pageWalk(view, registers, page).host
    }
    return frame === undefined ? undefined : view.machine.memory.read8(frame + Number(offset))
  }
}

/** One byte at a linear address. */
export const linearMemory = (view: MemoryView, registers: AddressRegisters, linear: bigint): number | undefined =>
  linearBytes(view, registers)(linear)
