/**
 * A case on our CPU, under what the processor's kernel gives a program: ring 3, the same pages, the same selectors, an IDT of which
 * a program may call gates 3 and 4. One instruction is run; what an exception tells is read from its frame on the kernel's stack.
 */

import { cplOf, LDT_RIGHTS, TSS_BUSY_RIGHTS, X87 } from '../../../src/hw/cpu/registers.ts'
import { initializeX87, settleSummary } from '../../../src/hw/cpu/system/x87.ts'
import { createMachine, type Machine, resolveConfig } from '../../../src/hw/machine.ts'
import { run } from '../../../src/hw/run.ts'
import { CPU_FEATURES } from '../../../src/spec/cpu-models.ts'
import { EXCEPTIONS } from '../../../src/spec/exceptions.ts'
import { MSRS } from '../../../src/spec/msrs.ts'
import type { Mode, Outcome, SiliconCase, VectorState, Window } from './case.ts'
import { CODE, DATA, DATA_BYTES, GS_BASE, SELECTORS, START } from './place.ts'

/** Physical places: tables in the first page frames, then the pages of the program. */
const GDT = 0x1000
const LDT = 0x1800
const TSS = 0x2000
const IDT = 0x3000
const HANDLER = 0x4000
/** A HLT for each vector, so that RIP tells which one came. */
const HANDLER_BYTES = 16
const STACK_TOP = 0x6000
const TABLES = { pml4: 0x8000, low3: 0x9000, low2: 0xa000, low1: 0xb000, high3: 0xc000, high2: 0xd000 } as const
const CODE_FRAME = 0x1_0000
const DATA_FRAME = 0x1_1000
/** The kernel's view of all memory: supervisor pages. */
const KERNEL = 0xffff_8000_0000_0000n

const PRESENT = 1n
const WRITABLE = 2n
const USER = 4n
const LARGE = 0x80n
const NO_EXECUTE = 1n << 63n

const CODE64 = 0xa09b
const CODE32 = 0xc09b
const CODE16 = 0x009b
const DATA32 = 0xc093
const DATA16 = 0x0093
const RING3 = 0x60

const STATUS_FLAGS = 0x24_4cd5
const HAS_ERROR_CODE: ReadonlySet<number> = new Set(
  Object.values(EXCEPTIONS)
    .filter(({ errorCode }) => errorCode)
    .map(({ vector }) => vector),
)

/** A segment descriptor; access rights in the VMCS's format. */
const descriptor = (base: number, limit: number, rights: number): bigint => {
  const [b, l, r] = [BigInt(base), BigInt(limit), BigInt(rights)]
  return (
    (l & 0xffffn) |
    ((b & 0xff_ffffn) << 16n) |
    ((r & 0xffn) << 40n) |
    ((l & 0xf_0000n) << 32n) |
    ((r & 0xf000n) << 40n) |
    ((b & 0xff00_0000n) << 32n)
  )
}

/** As Linux fills it for a program (`asm/segment.h`); the processor number's slot is the last. */
function writeTables(machine: Machine): void {
  const { memory } = machine
  const gdt = [0n, descriptor(0, 0xf_ffff, CODE32), descriptor(0, 0xf_ffff, CODE64), descriptor(0, 0xf_ffff, DATA32)]
  gdt[4] = descriptor(0, 0xf_ffff, CODE32 | RING3)
  gdt[5] = descriptor(0, 0xf_ffff, DATA32 | RING3)
  gdt[6] = descriptor(0, 0xf_ffff, CODE64 | RING3)
  gdt[15] = descriptor(0, 0, 0x40f5)
  for (let slot = 0; slot < 16; slot++) memory.write64(GDT + 8 * slot, gdt[slot] ?? 0n)
  memory.write64(LDT, descriptor(CODE, 0xffff, CODE16 | RING3))
  memory.write64(LDT + 8, descriptor(DATA, 0xffff, DATA16 | RING3))
  memory.write64(TSS + 4, KERNEL + BigInt(STACK_TOP))
  memory.write16(TSS + 0x66, 0x68) // no I/O permission bitmap
  for (let vector = 0; vector < 256; vector++) {
    const type = vector === 3 || vector === 4 ? 0xeen : 0x8en
    const handler = KERNEL + BigInt(HANDLER + HANDLER_BYTES * vector)
    memory.write64(IDT + 16 * vector, (handler & 0xffffn) | (0x10n << 16n) | (type << 40n) | (((handler >> BigInt(16)) & 0xffffn) << 48n))
    memory.write64(IDT + 16 * vector + 8, handler >> BigInt(32))
  }
  memory.writeBytes(HANDLER, new Uint8Array(4096).fill(0xf4))
}

function writePages(machine: Machine): void {
  const { memory } = machine
  const entry = (table: number, index: number, value: bigint): void => memory.write64(table + 8 * index, value)
  const program = PRESENT | WRITABLE | USER
  const [third, second, first] = [(CODE >>> 30) & 511, (CODE >>> 21) & 511, (address: number): number => (address >>> 12) & 511]
  entry(TABLES.pml4, 0, BigInt(TABLES.low3) | program)
  entry(TABLES.low3, third, BigInt(TABLES.low2) | program)
  entry(TABLES.low2, second, BigInt(TABLES.low1) | program)
  entry(TABLES.low1, first(CODE), BigInt(CODE_FRAME) | program)
  for (let page = 0; page < DATA_BYTES; page += 4096)
    entry(TABLES.low1, first(DATA + page), BigInt(DATA_FRAME + page) | program | NO_EXECUTE)
  entry(TABLES.pml4, 256, BigInt(TABLES.high3) | PRESENT | WRITABLE)
  entry(TABLES.high3, 0, BigInt(TABLES.high2) | PRESENT | WRITABLE)
  entry(TABLES.high2, 0, PRESENT | WRITABLE | LARGE)
}

export interface Emulator {
  readonly machine: Machine
  /** Vector of the exception that the last instruction raised, -1 for none. */
  raised: number
}

/**
 * A machine that stays the same over all cases: only registers and the program's pages are set anew. Like the processor of the vectors
 * it has no 5-level paging, with which FS and GS bases would have 57 bits.
 */
export function createEmulator(): Emulator {
  const machine = createMachine(resolveConfig({ memoryMiB: 2, features: CPU_FEATURES.filter(feature => feature !== 'la57') }))
  const emulator: Emulator = { machine, raised: -1 }
  writeTables(machine)
  writePages(machine)
  machine.memory.writeBytes(CODE_FRAME, new Uint8Array(4096).fill(0xcc))
  return emulator
}

const segment = (selector: number, rights: number, limit = 0xffff_ffff) => ({ selector, limit, accessRights: rights })
const NULL_SEGMENT = segment(0, 0x1_0000, 0)

function setSegments({ machine }: Emulator, mode: Mode): void {
  const cpu = machine.cpus[0]!
  const data = mode === 16 ? segment(SELECTORS.data16, DATA16 | RING3, 0xffff) : segment(SELECTORS.data, DATA32 | RING3)
  const code =
    mode === 64
      ? segment(SELECTORS.code64, CODE64 | RING3)
      : mode === 32
        ? segment(SELECTORS.code32, CODE32 | RING3)
        : segment(SELECTORS.code16, CODE16 | RING3, 0xffff)
  cpu.segments = [
    { ...data },
    code,
    { ...data },
    { ...data },
    { ...NULL_SEGMENT },
    { ...NULL_SEGMENT },
    segment(0x50, LDT_RIGHTS, 15),
    segment(0x40, TSS_BUSY_RIGHTS, 0x67),
  ]
  const bases = mode === 16 ? [DATA, CODE, DATA, DATA] : [0, 0, 0, 0]
  const views = machine.registers[0]!.segmentBase
  for (const [index, base] of bases.entries()) views[index] = BigInt(base)
  views[4] = 0n
  views[5] = BigInt(GS_BASE)
  views[6] = KERNEL + BigInt(LDT)
  views[7] = KERNEL + BigInt(TSS)
}

function setRegisters(emulator: Emulator, { mode, gpr, flags, vectors }: SiliconCase): void {
  const { machine } = emulator
  const cpu = machine.cpus[0]!
  const registers = machine.registers[0]!
  registers.cr.set([0x8005_0033n, 0n, 0n, BigInt(TABLES.pml4), 0x5_0e20n])
  cpu.msrs[MSRS.MSR_EFER.index] = 0xd01n
  registers.xcr0[0] = 7n
  registers.gpr.set(gpr)
  registers.rflags[0] = BigInt(flags)
  registers.rip[0] = BigInt(mode === 16 ? START : CODE + START)
  registers.dr[6] = 0xffff_0ff0n
  cpu.gdtr = { base: KERNEL + BigInt(GDT), limit: 127 }
  cpu.idtr = { base: KERNEL + BigInt(IDT), limit: 4095 }
  cpu.activity = 'active'
  cpu.midRepeat = false
  cpu.stiBlocking = false
  cpu.movSsBlocking = false
  machine.ended = null
  setSegments(emulator, mode)
  initializeX87(registers)
  if (vectors === null) return
  registers.mxcsr[0] = BigInt(vectors.mxcsr)
  registers.x87[X87.control] = BigInt(vectors.control)
  registers.x87[X87.status] = BigInt(vectors.status)
  registers.x87[X87.tag] = BigInt(vectors.tag)
  settleSummary(registers.x87)
  registers.xmm.set(vectors.low)
  registers.ymmHigh.set(vectors.high)
}

const LINE = 1024
const sameLine = (a: Uint8Array, b: Uint8Array, at: number): boolean =>
  Buffer.compare(a.subarray(at, at + LINE), b.subarray(at, at + LINE)) === 0

function changedRuns(before: Uint8Array, after: Uint8Array): Window[] {
  const runs: Window[] = []
  for (let at = 0; at < after.length; at++) {
    if ((at & (LINE - 1)) === 0 && sameLine(before, after, at)) {
      at += LINE - 1
      continue
    }
    if (before[at] === after[at]) continue
    let end = at + 1
    while (end < after.length && before[end] !== after[end]) end++
    runs.push({ offset: at, bytes: after.slice(at, end) })
    at = end
  }
  return runs
}

const vectorsOf = ({ machine }: Emulator): VectorState => {
  const { mxcsr, x87, xmm, ymmHigh } = machine.registers[0]!
  return {
    mxcsr: Number(mxcsr[0]!),
    control: Number(x87[X87.control]!),
    status: Number(x87[X87.status]!),
    tag: Number(x87[X87.tag]!),
    low: [...xmm],
    high: [...ymmHigh],
  }
}

/** The exception's frame: error code, RIP, CS, RFLAGS, RSP, SS from the top of the kernel's stack down. */
function frameOf({ machine }: Emulator, vector: number): { error: number; rip: bigint; flags: number; rsp: bigint } {
  const at = (slot: number): bigint => machine.memory.read64(STACK_TOP - 8 * slot)
  return { error: HAS_ERROR_CODE.has(vector) ? Number(at(6)) : 0, rip: at(5), flags: Number(at(3)), rsp: at(2) }
}

const NEVER_ENDS = 100

/** One instruction; a repeated one until it is done. */
function runInstruction(emulator: Emulator, start: bigint): void {
  const { machine } = emulator
  const cpu = machine.cpus[0]!
  emulator.raised = -1
  for (let turn = 0; turn < NEVER_ENDS; turn++) {
    run(machine, cpu.instructions + 1)
    const rip = machine.registers[0]!.rip[0]!
    if (cplOf(cpu) === 0) emulator.raised = Number((rip - KERNEL - BigInt(HANDLER)) / BigInt(HANDLER_BYTES))
    if (rip !== start || emulator.raised >= 0) return
  }
}

const before = new Uint8Array(DATA_BYTES)

export function emulate(emulator: Emulator, c: SiliconCase): Outcome {
  const { machine } = emulator
  const { memory } = machine
  const code = new Uint8Array(32).fill(0xcc)
  code.set(c.code)
  memory.writeBytes(CODE_FRAME + START, code)
  before.fill(0)
  for (const { offset, bytes } of c.windows) before.set(bytes, offset)
  memory.writeBytes(DATA_FRAME, before)
  setRegisters(emulator, c)
  const registers = machine.registers[0]!
  const start = registers.rip[0]!
  runInstruction(emulator, start)
  const vector = emulator.raised
  const frame = vector < 0 ? null : frameOf(emulator, vector)
  const gpr = [...registers.gpr]
  if (frame !== null) gpr[4] = frame.rsp
  const rip = frame === null ? registers.rip[0]! : frame.rip
  const fell = frame === null && rip === start + BigInt(c.code.length)
  return {
    kind: frame !== null ? 'fault' : fell ? 'fell' : 'branched',
    vector: Math.max(vector, 0),
    error: frame?.error ?? 0,
    address: vector === 14 ? registers.cr[2]! : 0n,
    rip: fell ? 0n : rip,
    gpr,
    flags: (frame?.flags ?? Number(registers.rflags[0]! & 0xffff_ffffn)) & STATUS_FLAGS,
    vectors: c.vectors === null ? null : vectorsOf(emulator),
    runs: changedRuns(before, memory.ram.subarray(DATA_FRAME, DATA_FRAME + DATA_BYTES)),
  }
}

export const comparableFlags = (flags: number): number => flags & STATUS_FLAGS
