/** Running 16- and 32-bit code on the bare CPU: a machine in real-address mode, or in flat 32-bit protected mode as multiboot has it. */

import { createMachine, type Machine, resolveConfig } from '../../../src/hw/machine.ts'
import { run } from '../../../src/hw/run.ts'
import type { TraceEvent } from '../../../src/spec/trace-events.ts'
import { assembled, type BareRun } from '../bare.ts'

/** Ends the run with the status in AL. */
export const END = 'mov al, 0\nout 0xf4, al'

function finish(machine: Machine, instructions: number): BareRun {
  const events: TraceEvent[] = []
  machine.observe = event => events.push(event)
  const result = run(machine, instructions)
  const bytes = events.flatMap(event => (event.kind === 'console' ? [event.byte] : []))
  return {
    machine,
    result,
    events,
    gpr: index => machine.registers[0]!.gpr[index]!,
    console: Buffer.from(bytes).toString('latin1'),
  }
}

function load(source: string): { machine: Machine; labels: ReadonlyMap<string, bigint> } {
  const image = assembled(source)
  const machine = createMachine(resolveConfig({ memoryMiB: 8 }))
  machine.memory.writeBytes(image.origin, image.bytes)
  machine.registers[0]!.rip[0] = BigInt(image.entry)
  return { machine, labels: new Map(image.symbols.map(({ name, value }) => [name, value])) }
}

const BUDGET = 100_000

/** A program of its own, from a label, with whatever state `prepare` makes of that after reset. */
export function runImage(source: string, entry: string, prepare: (machine: Machine) => void): BareRun {
  const { machine, labels } = load(source)
  machine.registers[0]!.rip[0] = labels.get(entry)!
  prepare(machine)
  return finish(machine, BUDGET)
}

/** As a BIOS starts a boot sector: 0000:7C00, all segments at 0, the stack below the sector. */
export function runReal(body: string): BareRun {
  const { machine } = load(`bits 16\norg 0x7c00\n${body}\n${END}`)
  const { gpr, segmentBase } = machine.registers[0]!
  machine.cpus[0]!.segments[1]!.selector = 0
  segmentBase[1] = 0n
  gpr[4] = 0x7c00n
  return finish(machine, BUDGET)
}

/** Selectors of the GDT that protected-mode tests start with; the user ones are of ring 3. `spare` and on are for the tests. */
export const GDT = {
  code32: 0x08,
  data32: 0x10,
  code64: 0x18,
  code16: 0x20,
  data16: 0x28,
  tss: 0x30,
  userCode: 0x3b,
  userData: 0x43,
  spare: 0x48,
} as const

const PLACES = { gdt: 0x1000, tss: 0x2000, idt: 0x3000, stack: 0x8_0000, innerStack: 0x7_0000 } as const
const TSS_LIMIT = 0xff
/** The I/O bitmap begins behind the registers of the TSS, with every port allowed up to 0x3bf and forbidden from there. */
const IO_MAP = 0x68

const DESCRIPTORS = [
  0n,
  0x00cf_9b00_0000_ffffn,
  0x00cf_9300_0000_ffffn,
  0x00af_9b00_0000_ffffn,
  0x0000_9b00_0000_ffffn,
  0x0000_9300_0000_ffffn,
  0x0000_8b00_2000_00ffn,
  0x00cf_fb00_0000_ffffn,
  0x00cf_f300_0000_ffffn,
]

export interface TestGate {
  /** A label of the program. */
  readonly to: string
  /** Present bit, DPL and type: 0x8E is a 32-bit interrupt gate of DPL 0. */
  readonly rights?: number
  readonly selector?: number
}

export interface ProtectedOptions {
  /** More descriptors, by selector. */
  readonly descriptors?: Readonly<Record<number, bigint>>
  readonly gates?: Readonly<Record<number, TestGate>>
  readonly idtLimit?: number
}

const gate = (offset: bigint, { rights = 0x8e, selector = GDT.code32 }: TestGate): bigint =>
  (offset & 0xffffn) | (BigInt(selector) << 16n) | (BigInt(rights) << 40n) | ((offset & 0xffff_0000n) << 32n)

/** As multiboot starts a kernel: 32-bit code, flat segments, no paging, interrupts off; besides, a GDT, a TSS and ESP = 0x80000. */
export function runProtected(body: string, { descriptors = {}, gates = {}, idtLimit = 0x7ff }: ProtectedOptions = {}): BareRun {
  const { machine, labels } = load(`bits 32\norg 0x100000\n${body}\n${END}`)
  const { memory } = machine
  const cpu = machine.cpus[0]!
  const block = machine.registers[0]!
  for (const [index, descriptor] of DESCRIPTORS.entries()) memory.write64(PLACES.gdt + 8 * index, descriptor)
  for (const [selector, descriptor] of Object.entries(descriptors)) memory.write64(PLACES.gdt + (Number(selector) & ~7), descriptor)
  for (const [vector, row] of Object.entries(gates)) memory.write64(PLACES.idt + 8 * Number(vector), gate(labels.get(row.to)!, row))
  memory.write32(PLACES.tss + 4, PLACES.innerStack)
  memory.write32(PLACES.tss + 8, GDT.data32)
  memory.write16(PLACES.tss + 0x66, IO_MAP)
  for (let at = PLACES.tss + IO_MAP + 0x3c0 / 8; at <= PLACES.tss + TSS_LIMIT; at++) memory.write8(at, 0xff)
  cpu.gdtr = { base: BigInt(PLACES.gdt), limit: 0xff }
  cpu.idtr = { base: BigInt(PLACES.idt), limit: idtLimit }
  block.cr[0] = block.cr[0]! | 1n
  block.gpr[4] = BigInt(PLACES.stack)
  for (const index of [0, 2, 3, 4, 5]) cpu.segments[index] = { selector: GDT.data32, limit: 0xffff_ffff, accessRights: 0xc093 }
  cpu.segments[1] = { selector: GDT.code32, limit: 0xffff_ffff, accessRights: 0xc09b }
  cpu.segments[7] = { selector: GDT.tss, limit: TSS_LIMIT, accessRights: 0x8b }
  block.segmentBase[1] = 0n
  block.segmentBase[7] = BigInt(PLACES.tss)
  return finish(machine, BUDGET)
}

const WITH_CODE: ReadonlySet<number> = new Set([8, 10, 11, 12, 13, 14, 17])
const HANDLED = [0, 1, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 17] as const

/** Handlers that keep the vector in EDI, the error code in ESI (0xFFFFFFFF without one), and end the run. */
const HANDLERS = HANDLED.map(
  vector => `caught${vector}: mov edi, ${vector}\n${WITH_CODE.has(vector) ? 'pop esi' : 'mov esi, -1'}\njmp caught\n`,
).join('')

/** The first exception of a program, with its error code (null without one), and the run; 'none' if it ends without. */
export function firstException(body: string, options: ProtectedOptions = {}) {
  const gates = { ...Object.fromEntries(HANDLED.map(vector => [vector, { to: `caught${vector}` }])), ...options.gates }
  const ending = `mov edi, -1\n${END}\n${HANDLERS}caught: `
  const run = runProtected(`${body}\n${ending}`, { ...options, gates })
  const vector = Number(run.gpr(7) & 0xffff_ffffn)
  const errorCode = Number(run.gpr(6) & 0xffff_ffffn)
  return vector === 0xffff_ffff ? 'none' : { vector, errorCode: errorCode === 0xffff_ffff ? null : errorCode }
}

/** Goes to ring 3 at the label that follows. */
export const TO_RING3 = `push ${GDT.userData}
        push    0x60000
        push    2
        push    ${GDT.userCode}
        push    ring3
        iret
ring3:`
