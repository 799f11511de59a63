/**
 * A guest hypervisor and its guest as enemies: nested state, VMCS fields and EPT entries that nobody would write, and code in both that
 * tries addresses, MSRs, ports and instructions at random. Whatever they do, the run ends in a way that has a name, and memory of the host that is
 * not theirs is neither written nor seen.
 */

import { createHash } from 'node:crypto'
import { rootMachine } from '../../../src/hw/root-cpu.ts'
import { rewind, type Snapshot, takeSnapshot } from '../../../src/hw/snapshot.ts'
import { contextOf } from '../../../src/kvm/context.ts'
import { KvmError } from '../../../src/kvm/error.ts'
import { readVmcs12, VMCS12_OFFSETS, vmcs12Width } from '../../../src/kvm/nested/vmcs12.ts'
import type { KvmState, MemorySlot } from '../../../src/kvm/state.ts'
import { drive, type GuestRun, instructionsOf, reattach } from '../../../src/session/guest-run.ts'
import { started } from '../rig.ts'
import { attack, hostileCode } from './hostile-code.ts'

const PAGE = 4096
/** Where L2's memory begins in L1's. */
const L2_MEMORY = 64 * 2 ** 20
/** A page of the host's own, filled with this: it must stay, and nobody may come to know it. */
export const SECRET_AT = 4 * 2 ** 20
export const SECRET = 0x5ec2_e700_5ec2_e7ffn
/** How long a case is: instructions, or turns of the host's where one instruction (REP, of a device) takes as many. */
const INSTRUCTIONS = 120
const TURNS = 2000

export interface Arena {
  readonly guest: GuestRun
  readonly beginning: Snapshot
  readonly slot: MemorySlot
}

export const kvmOf = ({ machine }: GuestRun): KvmState => machine.host as KvmState

/** L2 is about to run under the stock hypervisor. */
export function createArena(): Arena {
  const guest = started('examples/masked.asm', { level: 'L2', guestMemoryMiB: 8 })
  const vcpu = kvmOf(guest).vms[0]!.vcpus[0]!
  for (let at = SECRET_AT; at < SECRET_AT + PAGE; at += 8) guest.machine.memory.write64(at, SECRET)
  drive(guest, 1_000_000, () => vcpu.phase === 'enter' && vcpu.nested.guestMode && !vcpu.nested.runPending)
  // This also takes the marks of what was written until now.
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
function misdirect(random: () => number, arena: Arena, eptPointer: bigint): void {
  const { guest, slot } = arena
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

/** Code for whoever has its memory from there in L1's. */
function plant(random: () => number, arena: Arena, memoryFrom: number, entry: number): void {
  const attacks = Array.from({ length: 12 }, () => attack(random, () => address(random, arena)))
  const { guest, slot } = arena
  for (const [at, bytes] of hostileCode(entry, attacks)) guest.machine.memory.writeBytes(slot.hostPhysical + memoryFrom + at, bytes)
}

/** One case: how it ended, and what is wrong, if anything is. */
export function tryCase(arena: Arena, random: () => number): { readonly end: string; readonly wrong: string } {
  const c = contextOf(rootMachine(arena.guest.machine), 0)
  plant(random, arena, L2_MEMORY, Number(c.cpu.vmread('GUEST_RIP')))
  if (random() % 2 === 0) plant(random, arena, 0, Number(readVmcs12(c, 'HOST_RIP')))
  misdirect(random, arena, readVmcs12(c, 'EPT_POINTER'))
  return { end: attempt(arena, random), wrong: judge(arena) }
}

/** What is wrong; then the arena is as at the beginning, but for what was written past the map of written pages. */
export function judge(arena: Arena): string {
  const { guest, beginning } = arena
  const written = guest.machine.memory.takeWrittenPages()
  const wrong = wrongIn(arena, written)
  rewind(guest.machine, beginning, written)
  reattach(guest)
  guest.machine.memory.takeWrittenPages() // the marks that this left
  return wrong
}

function attempt(arena: Arena, random: () => number): string {
  const { guest } = arena
  try {
    if (random() % 2 === 0) {
      const { vcpu } = guest.vmm!
      const state = vcpu.getNestedState()
      twist(random, arena, state.vmcs12!)
      vcpu.setNestedState(state)
    }
    let turns = 0
    const end = drive(guest, instructionsOf(guest) + INSTRUCTIONS, () => ++turns > TURNS)
    return end?.reason ?? 'runs'
  } catch (thrown) {
    if (thrown instanceof KvmError) return thrown.errno
    throw thrown
  }
}

/** A page of the host among the `written`; the secret in a register or in memory of the guest; the host in an EPT. */
function wrongIn({ guest, slot }: Arena, written: readonly number[]): string {
  const { machine } = guest
  const kvm = kvmOf(guest)
  const [first, end] = [slot.hostPhysical / PAGE, (slot.hostPhysical + slot.size) / PAGE]
  const isGuests = (page: number): boolean => page >= first && page < end
  const stray = written.find(page => !isGuests(page) && page < kvm.lowestHostPage / PAGE)
  if (stray !== undefined) return `host page 0x${stray.toString(16)} was written`
  if (machine.registers[0]!.gpr.includes(SECRET)) return 'a register holds the secret of the host'
  const told = written.find(page => isGuests(page) && quadwords(guest, page).includes(SECRET))
  if (told !== undefined) return `page 0x${told.toString(16)} of the guest holds the secret of the host`
  const { eptRoot, apicAccessPage, vcpus } = kvm.vms[0]!
  const l1 = leaves(guest, eptRoot, 3).find(page => !isGuests(page) && page !== apicAccessPage / PAGE)
  if (l1 !== undefined) return `the EPT that L1 runs on maps host page 0x${l1.toString(16)}`
  const l2 = leaves(guest, vcpus[0]!.nested.shadowEpt.root, 3).find(page => !isGuests(page))
  return l2 === undefined ? '' : `the EPT that L2 runs on maps host page 0x${l2.toString(16)}`
}

const quadwords = ({ machine }: GuestRun, page: number): BigUint64Array =>
  new BigUint64Array(machine.memory.buffer, machine.memory.ram.byteOffset + page * PAGE, PAGE / 8)

/** Host pages that the tables below `table` map. */
function leaves(guest: GuestRun, table: number, level: number): number[] {
  const found: number[] = []
  for (const entry of quadwords(guest, table / PAGE)) {
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
