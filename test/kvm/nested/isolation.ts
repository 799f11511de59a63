/**
 * A guest hypervisor and its guest as enemies: nested state, VMCS fields and EPT entries that nobody would write, and code in L2 that
 * tries addresses, MSRs and ports at random. Whatever they do, the run ends in a way that has a name, and memory of the host that is
 * not theirs is neither written nor seen.
 */

import { createHash } from 'node:crypto'
import { rootMachine } from '../../../src/hw/root-cpu.ts'
import { restoreSnapshot, type Snapshot, takeSnapshot } from '../../../src/hw/snapshot.ts'
import { contextOf } from '../../../src/kvm/context.ts'
import { KvmError } from '../../../src/kvm/error.ts'
import { readVmcs12, VMCS12_OFFSETS, vmcs12Width } from '../../../src/kvm/nested/vmcs12.ts'
import type { KvmState, MemorySlot } from '../../../src/kvm/state.ts'
import { drive, type GuestRun, instructionsOf, reattach } from '../../../src/session/guest-run.ts'
import { started } from '../rig.ts'

const PAGE = 4096
/** Where L2's memory begins in L1's. */
const L2_MEMORY = 64 * 2 ** 20
/** A page of the host's own, filled with this: it must stay, and nobody may come to know it. */
const SECRET_AT = 4 * 2 ** 20
const SECRET = 0x5ec2_e700_5ec2_e7ffn
const INSTRUCTIONS = 120

export interface Arena {
  readonly guest: GuestRun
  readonly beginning: Snapshot
  readonly slot: MemorySlot
}

const kvmOf = ({ machine }: GuestRun): KvmState => machine.host as KvmState

/** L2 is about to run under the stock hypervisor. */
export function createArena(): Arena {
  const guest = started('examples/masked.asm', { level: 'L2', guestMemoryMiB: 8 })
  const vcpu = kvmOf(guest).vms[0]!.vcpus[0]!
  for (let at = SECRET_AT; at < SECRET_AT + PAGE; at += 8) guest.machine.memory.write64(at, SECRET)
  drive(guest, 1_000_000, () => vcpu.phase === 'enter' && vcpu.nested.guestMode && !vcpu.nested.runPending)
  return { guest, beginning: takeSnapshot(guest.machine, false), slot: kvmOf(guest).vms[0]!.slots[0]! }
}

const pick = <T>(random: () => number, items: readonly T[]): T => items[random() % items.length]!

/** Addresses at the rims of what there is: of L2's memory, of L1's, of the host's, of the width. */
function address(random: () => number, { slot }: Arena): number {
  const rim = pick(random, [
    0,
    0x10_0000,
    8 * 2 ** 20,
    L2_MEMORY,
    slot.size,
    SECRET_AT,
    slot.hostPhysical,
    slot.hostPhysical + slot.size,
    2 ** 32,
    2 ** 45,
    2 ** 46,
    0xfee0_0000,
  ])
  return Math.max(0, rim + (pick(random, [-PAGE, 0, PAGE, 8, -8]) as number))
}

const bytesOf = (value: bigint, count: number): number[] =>
  Array.from({ length: count }, (_, index) => Number((value / 256n ** BigInt(index)) % 256n))

/** One instruction, or a few that go together, of a guest that tries things. */
function hostile(random: () => number, arena: Arena): number[] {
  const where = bytesOf(BigInt(address(random, arena)), 8)
  const number = bytesOf(BigInt(random()), 4)
  return pick<() => number[]>(random, [
    () => [0x48, 0xb8, ...where, 0x48, 0x89, 0x08], // mov rax, address; mov [rax], rcx
    () => [0x48, 0xb8, ...where, 0x48, 0x8b, 0x18], // mov rbx, [rax]
    () => [0x48, 0xb8, ...where, 0xff, 0xd0], // call rax
    () => [0x48, 0xb8, ...where, 0x0f, 0x22, 0xd8], // mov cr3, rax
    () => [0x48, 0xb8, ...where, 0x0f, 0x01, 0x10], // lgdt [rax]
    () => [
      0xb9,
      ...pick(random, [number, [0xe0, 6, 0, 0], [0x80, 0, 0, 0xc0], [0x1b, 0, 0, 0], [0x3f, 8, 0, 0], [0x80, 4, 0, 0]]),
      0x0f,
      pick(random, [0x32, 0x30]),
    ],
    () => [0x66, 0xba, number[0]!, random() % 4 === 0 ? number[1]! : 0, pick(random, [0xec, 0xed, 0xee, 0xef])],
    () => [0x0f, 0x01, pick(random, [0xc1, 0xc2, 0xc3, 0xc4, 0xd4])],
    () => [0x0f, 0xa2],
    () => [0xfb, 0xf4],
    () => number,
  ])()
}

const EDGES = [
  0n,
  1n,
  0xfffn,
  0x1000n,
  0xffff_ffffn,
  1n << 45n,
  1n << 46n,
  0xffff_ffff_ffff_ffffn,
  0x8000_0202n,
  0x8000_0b0en,
  0x6n,
  0x1en,
  0x5en,
]

/** Changes fields of a saved VMCS; the ones that hold addresses get one at a rim. */
function twist(random: () => number, arena: Arena, vmcs12: Uint8Array): void {
  const view = new DataView(vmcs12.buffer)
  const names = [...VMCS12_OFFSETS.keys()]
  for (let change = random() % 5; change > 0; change--) {
    const name = pick(random, names)
    const at = VMCS12_OFFSETS.get(name)!
    const value = random() % 2 === 0 ? BigInt(address(random, arena)) : pick(random, EDGES)
    if (vmcs12Width(name) === 8) view.setBigUint64(at, value, true)
    else if (vmcs12Width(name) === 4) view.setUint32(at, Number(value % 2n ** 32n), true)
    else view.setUint16(at, Number(value % 2n ** 16n), true)
  }
}

/** Writes entries into a table of L1's EPT. */
function misdirect(random: () => number, { guest, slot }: Arena, eptPointer: bigint, arena: Arena): void {
  const { memory } = guest.machine
  let table = Number(eptPointer & 0x3fff_ffff_f000n)
  for (let level = 3; level >= 0 && table + PAGE <= slot.size; level--) {
    if (random() % 3 === 0) {
      const rights = BigInt(random() % 8) | (random() % 2 === 0 ? 0x30n : BigInt(random() % 8) << 3n) | (random() % 3 === 0 ? 0x80n : 0n)
      memory.write64(slot.hostPhysical + table + (random() % 4) * 8, (BigInt(address(random, arena)) & ~0xfffn) | rights)
    }
    table = Number(memory.read64(slot.hostPhysical + table) & 0x3fff_ffff_f000n)
  }
}

/** One case: how it ended, and what is wrong, if anything is. */
export function tryCase(arena: Arena, random: () => number): { readonly end: string; readonly wrong: string } {
  const { guest, beginning, slot } = arena
  const { machine } = guest
  restoreSnapshot(machine, beginning)
  reattach(guest)
  machine.memory.takeWrittenPages()
  const c = contextOf(rootMachine(machine), 0)
  const rip = Number(readVmcs12(c, 'GUEST_RIP') % 2n ** 32n)
  const code = Array.from({ length: 12 }, () => hostile(random, arena)).flat()
  machine.memory.writeBytes(slot.hostPhysical + L2_MEMORY + (rip % (8 * 2 ** 20 - PAGE)), Uint8Array.from(code))
  misdirect(random, arena, readVmcs12(c, 'EPT_POINTER'), arena)
  const end = attempt(arena, random)
  return { end, wrong: wrongIn(arena) }
}

function attempt({ guest, slot }: Arena, random: () => number, arena = { guest, slot } as Arena): string {
  try {
    if (random() % 2 === 0) {
      const { vcpu } = guest.vmm!
      const state = vcpu.getNestedState()
      twist(random, arena, state.vmcs12!)
      vcpu.setNestedState(state)
    }
    const end = drive(guest, instructionsOf(guest) + INSTRUCTIONS)
    return end?.reason ?? 'runs'
  } catch (thrown) {
    if (thrown instanceof KvmError) return thrown.errno
    throw thrown
  }
}

/** Written pages and translations outside the guest; a register that holds the secret. */
function wrongIn({ guest, slot }: Arena): string {
  const { machine } = guest
  const kvm = kvmOf(guest)
  const [first, end] = [slot.hostPhysical / PAGE, (slot.hostPhysical + slot.size) / PAGE]
  const isTheirs = (page: number): boolean => (page >= first && page < end) || page >= kvm.lowestHostPage / PAGE
  const stray = machine.memory.takeWrittenPages().find(page => !isTheirs(page))
  if (stray !== undefined) return `host page 0x${stray.toString(16)} was written`
  if (machine.registers[0]!.gpr.includes(SECRET)) return 'a register holds the secret of the host'
  const { shadowEpt } = kvm.vms[0]!.vcpus[0]!.nested
  const leaf = leaves(guest, shadowEpt.root, 3).find(page => page < first || page >= end)
  return leaf === undefined ? '' : `the EPT that L2 runs on maps host page 0x${leaf.toString(16)}`
}

/** Host pages that the tables below `table` map. */
function leaves(guest: GuestRun, table: number, level: number): number[] {
  const found: number[] = []
  for (let index = 0; index < 512; index++) {
    const entry = guest.machine.memory.read64(table + index * 8)
    if ((entry & 7n) === 0n) continue
    const target = Number(entry & 0x000f_ffff_ffff_f000n)
    if (level === 0) found.push(target / PAGE)
    else found.push(...leaves(guest, target, level - 1))
  }
  return found
}

/** Of all host memory below the guest's and between it and KVM's pages. */
export function hostHash({ guest, slot }: Arena): string {
  const { ram } = guest.machine.memory
  const kvm = kvmOf(guest)
  return createHash('sha256')
    .update(ram.subarray(0, slot.hostPhysical))
    .update(ram.subarray(slot.hostPhysical + slot.size, kvm.lowestHostPage))
    .digest('hex')
}
