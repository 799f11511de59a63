/** Random instruction bytes in random, also hostile, states of a CPU: made from a seed, so that a case can be made again. */

import { PAGE_SIZE } from '../../../src/base/units.ts'
import { BLOCK_BYTES } from '../../../src/hw/cpu/registers.ts'
import { createMachine, type Machine, resolveConfig } from '../../../src/hw/machine.ts'
import { run } from '../../../src/hw/run.ts'
import { emptyQueue } from '../../../src/hw/time/event-queue.ts'

export const MODES = ['real', 'virtual-8086', 'protected 16', 'protected 32', 'compatibility', '64-bit'] as const
export type FuzzMode = (typeof MODES)[number]

/** mulberry32: 32 random bits a call. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b_79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
}

const MEMORY_MIB = 1
const PLACES = { gdt: 0x1000, idt: 0x2000, tss: 0x3000, pml4: 0x4000, code: 0x8000 } as const
const EXCEPTIONS_ALLOWED = 16
const INSTRUCTIONS = 6

/** Descriptors of every kind and level, some of them odd. */
const DESCRIPTORS = [
  0n,
  0x00cf_9b00_0000_ffffn,
  0x00cf_9300_0000_ffffn,
  0x00af_9b00_0000_ffffn,
  0x0000_9b00_0000_ffffn,
  0x0000_9300_0000_ffffn,
  0x0000_8900_3000_0067n,
  0n,
  0x00cf_fb00_0000_ffffn,
  0x00cf_f300_0000_ffffn,
  0x0000_ec02_0008_8000n, // call gate
  0n,
  0x0000_8500_0030_0000n, // task gate
  0x0000_8200_1000_00ffn, // LDT
  0n,
  0x0040_9700_0000_0fffn, // expand-down
  0x00cf_1300_0000_ffffn, // not present
  0x00ef_9b00_0000_ffffn, // L and D
]

function writeTables({ memory }: Machine): void {
  for (const [index, descriptor] of DESCRIPTORS.entries()) memory.write64(PLACES.gdt + 8 * index, descriptor)
  memory.write64(PLACES.pml4, 0x5027n)
  memory.write64(0x5000, 0x6027n)
  for (let index = 0; index < 4; index++) memory.write64(0x6000 + 8 * index, (BigInt(index) << 21n) | 0xe7n)
}

/** Gates to ring 0 whose handlers are the random code too; in real-address mode vectors to it. */
function writeGates({ memory }: Machine, mode: FuzzMode): void {
  const long = mode === '64-bit' || mode === 'compatibility'
  for (let vector = 0; vector < 64; vector++) {
    memory.write32(4 * vector, PLACES.code)
    memory.write64(PLACES.idt + (long ? 16 : 8) * vector, long ? 0x0000_8e00_0018_8000n : 0x0000_8e00_0008_8000n)
    if (long) memory.write64(PLACES.idt + 16 * vector + 8, 0n)
  }
}

/** What `structuredClone` makes of plain rows, ten times faster. */
function copied<T>(value: T): T {
  if (value === null || typeof value !== 'object') return value
  if (ArrayBuffer.isView(value)) return structuredClone(value)
  if (Array.isArray(value)) return value.map(copied) as T
  const copy: Record<string, unknown> = {}
  for (const key in value) copy[key] = copied(value[key])
  return copy as T
}

const ZEROS = new Uint8Array(PAGE_SIZE)

/** Zeros where an earlier case wrote. */
function clearWrittenPages({ memory }: Machine): void {
  for (const page of memory.takeWrittenPages()) memory.writeBytes(page * PAGE_SIZE, ZEROS)
  memory.takeWrittenPages()
}

/** One machine for all cases, put back to its beginning before each: a case depends on nothing but its seed. */
export function fuzzMachine(): { machine: Machine; runCase: (seed: number) => string } {
  const machine = createMachine(resolveConfig({ memoryMiB: MEMORY_MIB }))
  const cpu = copied(machine.cpus[0]!)
  const bus = copied(machine.bus)
  const block = new Uint8Array(machine.memory.buffer, 0, BLOCK_BYTES)
  const registers = block.slice()
  let exceptions = 0
  let usedDevices = false
  machine.observe = event => {
    if (event.kind === 'pio' || event.kind === 'mmio') usedDevices = true
    if (event.kind === 'exception' && ++exceptions >= EXCEPTIONS_ALLOWED) machine.pause = true
  }
  const runCase = (seed: number): string => {
    const random = randomFrom(seed)
    machine.ended = null
    machine.pause = false
    machine.tick = 0
    machine.queue = emptyQueue()
    if (usedDevices) machine.bus = copied(bus)
    usedDevices = false
    machine.cpus[0] = copied(cpu)
    block.set(registers)
    clearWrittenPages(machine)
    exceptions = 0
    const mode = MODES[random() % MODES.length]!
    writeTables(machine)
    writeGates(machine, mode)
    setUp(machine, mode, random)
    return run(machine, INSTRUCTIONS)
  }
  return { machine, runCase }
}

const chance = (random: () => number, percent: number): boolean => random() % 100 < percent

const wide = (random: () => number): bigint => (BigInt(random()) << 32n) | BigInt(random())

/** Small numbers, places in memory, edges, anything. */
function value(random: () => number): bigint {
  switch (random() % 5) {
    case 0:
      return BigInt(random() % 256)
    case 1:
      return BigInt(random() % (MEMORY_MIB * 2 ** 20))
    case 2:
      return [0xffffn, 0x1_0000n, 0xffff_ffffn, 0x7fff_ffffn, 0x8000_0000n, 0x7fff_ffff_ffffn, 0xffff_8000_0000_0000n][random() % 7]!
    case 3:
      return BigInt(random())
    default:
      return wide(random)
  }
}

function setUp(machine: Machine, mode: FuzzMode, random: () => number): void {
  const cpu = machine.cpus[0]!
  const block = machine.registers[0]!
  const legacy = mode !== '64-bit'
  for (let index = 0; index < 16; index++) block.gpr[index] = legacy ? BigInt.asUintN(32, value(random)) : value(random)
  block.gpr[4] = chance(random, 80) ? 0x7000n : value(random)
  const isVirtual = mode === 'virtual-8086'
  const isReal = mode === 'real' || isVirtual
  const flags = 2 | (random() & 0x0024_4fd5) | (isVirtual ? 1 << 17 : 0) | (chance(random, 30) ? 0x3000 : 0)
  block.rflags[0] = BigInt(flags)
  const long = mode === '64-bit' || mode === 'compatibility'
  const paging = long || (!isReal && chance(random, 20))
  block.cr[0] = 0x10n | (mode === 'real' ? 0n : 1n) | (paging ? 1n << 31n : 0n) | BigInt(random() & 0x5002e)
  block.cr[2] = 0n
  block.cr[3] = chance(random, 95) ? BigInt(PLACES.pml4) : BigInt(random() & 0xf_f000)
  block.cr[4] = (long || chance(random, 50) ? 0x20n : 0n) | BigInt(random() & 0x21_079c)
  cpu.msrs[0xc000_0080] = long ? 0xd01n : BigInt(random() & 0x801)
  const level = isVirtual ? 3 : mode === 'real' || chance(random, 60) ? 0 : 3
  const rights = level << 5
  for (const index of [0, 2, 3, 4, 5]) {
    const selector = random() & 0xffff
    cpu.segments[index] = isReal
      ? { selector, limit: 0xffff, accessRights: 0x93 | rights }
      : { selector: level === 0 ? 0x10 : 0x43, limit: 0xffff_ffff, accessRights: 0xc093 | rights }
    block.segmentBase[index] = isReal ? BigInt(selector << 4) : 0n
    if (chance(random, 15)) {
      const odd = random() & 0x1_f0ff
      cpu.segments[index] = { selector, limit: random(), accessRights: index === 2 ? (odd & ~0x60) | rights : odd }
      block.segmentBase[index] = mode === '64-bit' ? value(random) : BigInt(random())
    }
  }
  const code = { real: 0x93, 'virtual-8086': 0xf3, 'protected 16': 0x9b, 'protected 32': 0xc09b, compatibility: 0xc09b, '64-bit': 0xa09b }[
    mode
  ]
  const limit = isReal || mode === 'protected 16' ? 0xffff : 0xffff_ffff
  cpu.segments[1] = { selector: isReal ? 0 : 8 | level, limit: chance(random, 95) ? limit : random() & 0xffff, accessRights: code | rights }
  block.segmentBase[1] = 0n
  cpu.segments[6] = { selector: 0x68, limit: 0xff, accessRights: chance(random, 50) ? 0x82 : 0x10000 }
  block.segmentBase[6] = BigInt(PLACES.gdt)
  cpu.segments[7] = { selector: 0x30, limit: chance(random, 90) ? 0x67 : random() & 0xff, accessRights: 0x8b }
  block.segmentBase[7] = BigInt(PLACES.tss)
  cpu.gdtr = { base: chance(random, 95) ? BigInt(PLACES.gdt) : value(random), limit: chance(random, 95) ? 0xff : random() & 0xffff }
  cpu.idtr = {
    base: mode === 'real' ? 0n : chance(random, 95) ? BigInt(PLACES.idt) : value(random),
    limit: chance(random, 90) ? 0x3ff : random() & 0xffff,
  }
  for (let at = 0; at < 16; at++) machine.memory.write64(PLACES.tss + 8 * at, chance(random, 70) ? 0x10_0000_6000n : wide(random))
  putCode(machine, random)
}

const PREFIXES = [0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x2e, 0x36, 0x64, 0x48, 0x41]

function putCode({ memory, registers }: Machine, random: () => number): void {
  const at = chance(random, 90) ? PLACES.code + (random() & 0xff) : 0xffe0 + (random() & 0x1f)
  registers[0]!.rip[0] = BigInt(at)
  let place = at
  const put = (byte: number) => memory.write8(place++, byte)
  for (let instruction = 0; instruction < 4; instruction++) {
    while (chance(random, 30)) put(PREFIXES[random() % PREFIXES.length]!)
    if (chance(random, 35)) put(0x0f)
    for (let byte = 0; byte < 5; byte++) put(random() & 0xff)
  }
}
