/** Instructions that load segment registers and their hidden bases (Intel SDM, "MOV", "POP", "LDS/LES/LFS/LGS/LSS", "SWAPGS", "INVLPG"). */

import { assert } from '../../../base/assert.ts'
import type { Instruction } from '../../../isa/instruction.ts'
import { CS, gpr, RSP, type SegmentIndex, type SpecialOperand, SS } from '../../../isa/operands.ts'
import { MSRS } from '../../../spec/msrs.ts'
import type { Engine } from '../engine.ts'
import { undefinedOpcode } from '../faults.ts'
import { farPointer } from './far-pointer.ts'
import { loadDataSegment } from './load-segment.ts'
import { requireRing0 } from './privilege.ts'

export function movToSegment(engine: Engine, i: Instruction): void {
  const { index } = i.dst as SpecialOperand
  if (index === CS) throw undefinedOpcode()
  loadDataSegment(engine, index as SegmentIndex, Number(engine.read(i.src) & 0xffffn))
  if (index === SS) blockForOneInstruction(engine)
}

/** MOV SS and POP SS hold back interrupts and debug traps until the next instruction is over: it loads the stack pointer. */
function blockForOneInstruction(engine: Engine): void {
  engine.cpu.movSsBlocking = true
  engine.beganBlocking = true
  engine.attention = true
}

/** The stack pointer moves only when the segment is loaded. */
export function popToSegment(engine: Engine, i: Instruction): void {
  const { size, stackSize, dst } = i
  assert(dst.kind === 'segment', 'POP to a segment register')
  const pointer = gpr(stackSize, RSP)
  const top = engine.read(pointer)
  const selector = Number(engine.load(size, SS, top) & 0xffffn)
  const next = engine.add(stackSize, top, BigInt(size / 8))
  loadDataSegment(engine, dst.index as SegmentIndex, selector)
  engine.write(pointer, next)
  if (dst.index === SS) blockForOneInstruction(engine)
}

const SEGMENT_OF: Readonly<Record<string, SegmentIndex>> = { LES: 0, LSS: 2, LDS: 3, LFS: 4, LGS: 5 }

export function loadFarPointer(engine: Engine, i: Instruction): void {
  const { selector, offset } = farPointer(engine, i.src, i.size)
  loadDataSegment(engine, SEGMENT_OF[i.row.mnemonic]!, selector)
  engine.write(i.dst, offset)
}

export function swapgs(engine: Engine): void {
  requireRing0(engine)
  const { msrs } = engine.cpu
  const { segmentBase } = engine.registers
  const kernel = msrs[MSRS.MSR_KERNEL_GS_BASE.index] ?? 0n
  msrs[MSRS.MSR_KERNEL_GS_BASE.index] = segmentBase[5]!
  segmentBase[5] = kernel
}

/** The address must be one that could be translated; there is nothing stale to drop. */
export function invlpg(engine: Engine): void {
  requireRing0(engine)
}
