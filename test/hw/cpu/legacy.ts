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

function load(source: string): Machine {
  const image = assembled(source)
  const machine = createMachine(resolveConfig({ memoryMiB: 8 }))
  machine.memory.writeBytes(image.origin, image.bytes)
  machine.registers[0]!.rip[0] = BigInt(image.entry)
  return machine
}

/** As a BIOS starts a boot sector: 0000:7C00, all segments at 0, the stack below the sector. */
export function runReal(body: string, instructions = 100_000): BareRun {
  const machine = load(`bits 16\norg 0x7c00\n${body}\n${END}`)
  const { gpr, segmentBase } = machine.registers[0]!
  machine.cpus[0]!.segments[1]!.selector = 0
  segmentBase[1] = 0n
  gpr[4] = 0x7c00n
  return finish(machine, instructions)
}

/** Selectors of the GDT at 0x1000 that protected-mode tests start with. */
export const GDT = { code32: 0x08, data32: 0x10, code64: 0x18, code16: 0x20, data16: 0x28, tss: 0x30 } as const

const DESCRIPTORS = [
  0n,
  0x00cf_9b00_0000_ffffn,
  0x00cf_9300_0000_ffffn,
  0x00af_9b00_0000_ffffn,
  0x0000_9b00_0000_ffffn,
  0x0000_9300_0000_ffffn,
  0x0000_8900_2000_0067n, // TSS at 0x2000
]

/** As multiboot starts a kernel: 32-bit code, flat segments, no paging, interrupts off; besides, a GDT and ESP = 0x80000. */
export function runProtected(body: string, instructions = 100_000): BareRun {
  const machine = load(`bits 32\norg 0x100000\n${body}\n${END}`)
  const cpu = machine.cpus[0]!
  const block = machine.registers[0]!
  for (const [index, descriptor] of DESCRIPTORS.entries()) machine.memory.write64(0x1000 + 8 * index, descriptor)
  cpu.gdtr = { base: 0x1000n, limit: 8 * DESCRIPTORS.length - 1 }
  cpu.idtr = { base: 0x3000n, limit: 0x7ff }
  block.cr[0] = block.cr[0]! | 1n
  block.gpr[4] = 0x8_0000n
  for (const index of [0, 2, 3, 4, 5]) cpu.segments[index] = { selector: GDT.data32, limit: 0xffff_ffff, accessRights: 0xc093 }
  cpu.segments[1] = { selector: GDT.code32, limit: 0xffff_ffff, accessRights: 0xc09b }
  block.segmentBase[1] = 0n
  return finish(machine, instructions)
}
