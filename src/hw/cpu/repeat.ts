/**
 * REP MOVS and REP STOS by many iterations at once. What comes out is what so many single iterations leave: they lie in one page of RAM each
 * for source and destination, no event, breakpoint or budget falls between them, and where source and destination overlap no iteration
 * reads what another one of them wrote. The last iteration of an instruction is always a single one, and so is any that might fault.
 */

import { low32, type Size } from '../../base/u64.ts'
import { PAGE_SIZE } from '../../base/units.ts'
import type { Instruction } from '../../isa/instruction.ts'
import { DS, ES, gpr, RAX, RCX, RDI, RSI, type SegmentIndex } from '../../isa/operands.ts'
import { DF, RF, TF } from '../../isa/status-flags.ts'
import { nextTick } from '../time/event-queue.ts'
import type { Engine } from './engine.ts'
import { isWithin } from './segmentation.ts'

export type BulkKind = 'move' | 'store'

/** Whether the instruction is one of those, and which; asked once, when it is decoded. */
export function bulkKind({ repeat, row }: Instruction): BulkKind | null {
  if (repeat === 0) return null
  return /^MOVS[BWDQ]$/.test(row.mnemonic) ? 'move' : /^STOS[BWDQ]$/.test(row.mnemonic) ? 'store' : null
}

/** Element size in bits, by the mnemonic's last letter. */
const SIZES: Readonly<Record<string, Size>> = { B: 8, W: 16, D: 32, Q: 64 }

/** Does some iterations, at least two, and returns true; or nothing. */
export function repeatInBulk(engine: Engine, kind: BulkKind, instruction: Instruction, ticks: number): boolean {
  const most = Math.min(iterationsWanted(engine, instruction), iterationsUndisturbed(engine, ticks))
  if (most < 2) return false
  const bytes = SIZES[instruction.row.mnemonic.slice(-1)]! / 8
  const at = (segment: SegmentIndex, pointer: number, access: 'read' | 'write'): Elements =>
    elements(engine, instruction, { segment, pointer, access, bytes }, most)
  // The source first: an iteration reads before it writes, and so do its faults come.
  const from = kind === 'move' ? at(instruction.segment === -1 ? DS : instruction.segment, RSI, 'read') : null
  const to = at(ES, RDI, 'write')
  const count = from === null ? to.count : Math.min(to.count, from.count, disjoint(engine, from.address, to.address, bytes))
  if (count < 2 || !engine.memory.beginPlainWrites(to.address)) return false
  const down = (engine.flagsWord & DF) !== 0
  const length = count * bytes
  const lowest = (address: number): number => (down ? address - length + bytes : address)
  if (from !== null) engine.memory.ram.copyWithin(lowest(to.address), lowest(from.address), lowest(from.address) + length)
  else fill(engine, lowest(to.address), bytes, length)
  advance(engine, instruction, RCX, -count)
  advance(engine, instruction, RDI, down ? -length : length)
  if (from !== null) advance(engine, instruction, RSI, down ? -length : length)
  engine.cpu.instructions += count
  engine.machine.tick += count * ticks
  engine.again()
  return true
}

/** Iterations before the last one. */
function iterationsWanted(engine: Engine, { addressSize }: Instruction): number {
  return Number(engine.read(gpr(addressSize, RCX))) - 1
}

/** Iterations that nothing but their own faults could come between. */
function iterationsUndisturbed(engine: Engine, ticks: number): number {
  const { cpu, machine } = engine
  const disturbed =
    engine.attention ||
    engine.trapsEach ||
    engine.breakpoints !== null ||
    engine.alignmentMask !== 0 ||
    cpu.stiBlocking ||
    cpu.movSsBlocking ||
    (engine.flagsWord & (TF | RF)) !== 0
  if (disturbed) return 0
  const stop = Math.min(nextTick(machine.queue), machine.turn.ends)
  return Math.min(Math.ceil((stop - machine.tick) / ticks), engine.lastInstruction - cpu.instructions)
}

interface Elements {
  /** Host-physical address of the first iteration's element. */
  readonly address: number
  /** How many elements, from there in the direction of DF, lie in this page of RAM and in the segment. */
  readonly count: number
}

interface Operand {
  readonly segment: SegmentIndex
  /** The general register with the offset. */
  readonly pointer: number
  readonly access: 'read' | 'write'
  readonly bytes: number
}

/** Faults where the first iteration would. */
function elements(engine: Engine, { addressSize }: Instruction, { segment, pointer, access, bytes }: Operand, most: number): Elements {
  const offset = engine.read(gpr(addressSize, pointer))
  const linear = engine.linear(segment, offset, bytes, access)
  const inPage = low32(linear) & (PAGE_SIZE - 1)
  if (inPage + bytes > PAGE_SIZE) return { address: 0, count: 0 }
  const address = engine.translate(linear, access)
  if (address >= engine.memory.size) return { address, count: 0 }
  const down = (engine.flagsWord & DF) !== 0
  const count = Math.min(most, Math.floor((down ? inPage : PAGE_SIZE - inPage - bytes) / bytes) + 1)
  return { address, count: isInside(engine, segment, Number(offset), addressSize, down ? -count * bytes : count * bytes) ? count : 0 }
}

/** Whether that many bytes from an offset, up or down, wrap nowhere and pass the segment's limit; 64-bit mode has neither within a page. */
function isInside(engine: Engine, segment: SegmentIndex, offset: number, addressSize: number, bytes: number): boolean {
  if (engine.bits === 64 && addressSize === 64) return true
  const [first, last] = bytes > 0 ? [offset, offset + bytes - 1] : [offset + bytes, offset - bytes]
  if (first < 0 || last >= 2 ** addressSize) return false
  return engine.bits === 64 || isWithin(engine.cpu.segments[segment]!, first, last)
}

/** Iterations that do not read what an earlier one of them wrote, when all the bytes are moved at once. */
function disjoint(engine: Engine, from: number, to: number, bytes: number): number {
  const ahead = (engine.flagsWord & DF) !== 0 ? from - to : to - from
  return ahead <= 0 ? PAGE_SIZE : Math.floor(ahead / bytes)
}

/** The element, then twice as much of what is there, and again. */
function fill(engine: Engine, at: number, bytes: number, length: number): void {
  const { memory } = engine
  const value = engine.registers.gpr[RAX]!
  for (let byte = 0; byte < bytes; byte++) memory.ram[at + byte] = Number((value >> BigInt(8 * byte)) & 0xffn)
  for (let done = bytes; done < length; done *= 2) memory.ram.copyWithin(at + done, at, at + Math.min(done, length - done))
}

function advance(engine: Engine, { addressSize }: Instruction, register: number, by: number): void {
  const operand = gpr(addressSize, register)
  engine.write(operand, engine.add(addressSize, engine.read(operand), BigInt(by)))
}
