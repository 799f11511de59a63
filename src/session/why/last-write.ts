/**
 * The last write of a register or of memory before a place: stretches of the run before it are gone through again, the last one first,
 * and each instruction is asked what it writes. What nobody's instruction did (KVM, a VM exit, a device) shows as a change.
 */

import { PAGE_SIZE } from '../../base/units.ts'
import type { Engine } from '../../hw/cpu/engine.ts'
import type { Machine } from '../../hw/machine.ts'
import type { Instruction } from '../../isa/instruction.ts'
import { MSRS } from '../../spec/msrs.ts'
import { instructionAt } from '../instruction-at.ts'
import type { Place, Timeline } from '../timeline.ts'
import { isAfter } from '../timeline.ts'
import { levelOf } from '../timeline-guest.ts'
import { type MemoryView, pageWalk } from '../timeline-memory.ts'
import { effectOf, mayWrite } from './dataflow.ts'

/** Between two moments of a CPU something was written. */
export interface Written {
  readonly before: Place
  readonly after: Place
  /** The instruction in between retired; null: it did not, or it did not do it. */
  readonly instruction: Instruction | null
}

/** What is asked at a moment of the CPU: what the thing holds, and whether the instruction that comes writes it. */
export interface Probe {
  readonly cpu: number
  /** Only between two moments of this level. */
  readonly level?: number
  /** An instruction that exits, and is done by somebody else, counts as well. */
  readonly countsExits?: boolean
  value(machine: Machine): unknown
  writes(engine: Engine, instruction: Instruction): boolean
}

const PAGE_MASK = BigInt(PAGE_SIZE - 1)

const FIRST_STRETCH = 256
const LONGEST_STRETCH = 1_048_576

export function* lastWrite(timeline: Timeline, from: Place, probe: Probe): Generator<Place, Written | undefined, void> {
  let end = from
  for (let length = FIRST_STRETCH; ; length = Math.min(length * 8, LONGEST_STRETCH)) {
    const begin = { instructions: Math.max(0, end.instructions - length), events: 0 }
    const found = yield* lastIn(timeline, begin, end, probe)
    if (found !== undefined) return found
    if (begin.instructions === 0) return undefined
    end = begin
    yield begin
  }
}

interface Passed {
  readonly place: Place
  readonly value: unknown
  readonly retired: number
  readonly instruction: Instruction | null
  readonly isWriting: boolean
}

function* lastIn(timeline: Timeline, begin: Place, end: Place, probe: Probe): Generator<Place, Written | undefined, void> {
  yield* timeline.seek(begin)
  let last: Passed | null = null
  let found: Written | undefined
  yield* timeline.scan(end, engine => {
    const { machine, index, cpu } = engine
    const { place } = timeline
    if (index !== probe.cpu || isAfter(place, end)) return false
    const value = probe.value(machine)
    const isDone = last !== null && (cpu.instructions > last.retired || probe.countsExits === true)
    if (last !== null && (value !== last.value || (isDone && last.isWriting))) {
      const isOwn = isDone && last.isWriting
      found = { before: last.place, after: place, instruction: isOwn ? last.instruction : null }
    }
    const isOther = probe.level !== undefined && levelOf(machine, index) !== probe.level
    if (isOther) {
      last = null
      return false
    }
    const instruction = instructionAt(engine)
    const isWriting = instruction !== null && probe.writes(engine, instruction)
    last = { place, value, retired: cpu.instructions, instruction, isWriting }
    return false
  })
  return found
}

export function registerProbe(cpu: number, index: number, level?: number): Probe {
  const bit = 1 << index
  return {
    cpu,
    ...(level === undefined ? {} : { level }),
    value: ({ registers }) => registers[cpu]!.gpr[index]!,
    writes: (_, instruction) => (mayWrite(instruction).registers & bit) !== 0,
  }
}

/** Memory by its host-physical address, whoever writes it by whatever address. */
export function hostProbe(cpu: number, address: number, bytes: number): Probe {
  return {
    cpu,
    value: ({ memory }) => {
      let text = ''
      for (let i = 0; i < bytes; i++) text += String.fromCharCode(memory.read8(address + i))
      return text
    },
    writes: (engine, instruction) => mayWrite(instruction).memory && storesTo(engine, instruction, address, bytes),
  }
}

function storesTo(engine: Engine, instruction: Instruction, address: number, bytes: number): boolean {
  engine.flush()
  return effectOf(engine, instruction).writes.some(write => {
    if (write.kind !== 'memory' || !mayOverlap(Number(write.address & PAGE_MASK), write.bytes, address, bytes)) return false
    const host = hostOf(engine, write.address)
    return host !== undefined && host < address + bytes && address < host + write.bytes
  })
}

/** Linear and physical addresses have the same place in their page, so most stores need no walk of the page tables. */
function mayOverlap(inPage: number, length: number, address: number, bytes: number): boolean {
  const distance = (address - inPage) & (PAGE_SIZE - 1)
  return distance < length || PAGE_SIZE - distance < bytes
}

/** Host-physical address of a linear one of the program that runs. */
export function hostOf({ machine, index, registers, cpu }: Engine, linear: bigint): number | undefined {
  const { cr, pdpte } = registers
  const view: MemoryView = { machine, cpu: index }
  const paging = { cr0: cr[0]!, cr3: cr[3]!, cr4: cr[4]!, efer: cpu.msrs[MSRS.MSR_EFER.index] ?? 0n, pdptes: [...pdpte] }
  return pageWalk(view, paging, linear).host
}

/** WRMSR of this MSR, done by the processor or by KVM. */
export function msrProbe(cpu: number, index: number, level: number): Probe {
  return {
    cpu,
    level,
    countsExits: true,
    value: () => 0,
    writes: ({ registers }, { row }) => row.mnemonic === 'WRMSR' && Number(BigInt.asUintN(32, registers.gpr[1]!)) === index,
  }
}
