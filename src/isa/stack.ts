/** PUSH, POP, ENTER, LEAVE, all registers and the flags on the stack. The stack pointer moves last, so that a fault leaves it alone. */

import { fromNumber, type Size } from '../base/u64.ts'
import { type Instruction, type InstructionRow, instruction } from './instruction.ts'
import { gpr, RBP, RSP, SS } from './operands.ts'
import type { Ops } from './ops.ts'

/** Pushes `size` bits and moves the stack pointer. */
export function push<V>(o: Ops<V>, { stackSize }: Instruction, size: Size, value: V): void {
  const pointer = gpr(stackSize, RSP)
  const below = o.sub(stackSize, o.read(pointer), o.constant(fromNumber(size / 8)))
  o.store(size, SS, below, value)
  o.write(pointer, below)
}

/** The `size` bits on top of the stack; moves the stack pointer past them. */
function pop<V>(o: Ops<V>, { stackSize }: Instruction, size: Size): V {
  const pointer = gpr(stackSize, RSP)
  const top = o.read(pointer)
  const value = o.load(size, SS, top)
  o.write(pointer, o.add(stackSize, top, o.constant(fromNumber(size / 8))))
  return value
}

export const PUSH = instruction('PUSH', {
  forms: [
    ['50 +r', 'r', 'd64'],
    ['FF /6', 'r/m', 'd64'],
    ['6A ib', 'imm8', 'd64'],
    ['68 iz', 'imm', 'd64'],
    ['0F A0', 'FS', 'd64'],
    ['0F A8', 'GS', 'd64'],
    ['06', 'ES', '!64'],
    ['0E', 'CS', '!64'],
    ['16', 'SS', '!64'],
    ['1E', 'DS', '!64'],
  ],
  execute: (o, i) => push(o, i, i.size, o.read(i.dst)),
})

export const POP = instruction('POP', {
  forms: [
    ['58 +r', 'r', 'd64'],
    ['8F /0', 'r/m', 'd64'],
    ['0F A1', 'FS', 'd64'],
    ['0F A9', 'GS', 'd64'],
    ['07', 'ES', '!64'],
    ['17', 'SS', '!64'],
    ['1F', 'DS', '!64'],
  ],
  // The address of a memory destination is computed after the pointer moved; if its store faults, the pointer moves back.
  execute(o, i) {
    if (i.dst.kind === 'segment') return o.system('pop-to-segment')
    const pointer = gpr(i.stackSize, RSP)
    const before = o.read(pointer)
    const value = pop(o, i, i.size)
    if (i.dst.kind === 'memory' && i.dst.size !== 0) {
      const address = o.address(i.dst)
      const after = o.read(pointer)
      o.write(pointer, before)
      o.touch(i.size, i.dst.segment, address)
      o.write(pointer, after)
      o.store(i.size, i.dst.segment, address, value)
    } else o.write(i.dst, value)
  },
})

const pushFlags = (mnemonic: string, opcode: string, remarks: string): InstructionRow =>
  instruction(mnemonic, {
    forms: [[opcode, '', remarks]],
    // VM and RF are pushed as 0.
    execute: (o, i) => push(o, i, i.size, o.zeroExtend(i.size, o.and(o.rflags(), o.constant(0xffff_ffff_fffc_ffffn)))),
  })

const popFlags = (mnemonic: string, opcode: string, remarks: string): InstructionRow =>
  instruction(mnemonic, { writes: 'all', forms: [[opcode, '', remarks]], execute: o => o.system('popf') })

export const LEAVE = instruction('LEAVE', {
  forms: [['C9', '', 'd64']],
  execute(o, { size, stackSize }) {
    const frame = o.read(gpr(stackSize, RBP))
    const saved = o.load(size, SS, frame)
    o.write(gpr(stackSize, RSP), o.add(stackSize, frame, o.constant(fromNumber(size / 8))))
    o.write(gpr(size, RBP), saved)
  },
})

/**
 * ENTER pushes the frame pointer and, for a nesting level, the frame pointers of the enclosing procedures, which stand below the
 * caller's. Everything that may fault comes first.
 */
function enter<V>(o: Ops<V>, i: Instruction): void {
  const { size, stackSize, dst, src } = i
  if (dst.kind !== 'immediate' || src.kind !== 'immediate') return
  const level = Number(src.value) & 31
  const bytes = BigInt(size / 8)
  const pointer = gpr(stackSize, RSP)
  const base = o.read(gpr(stackSize, RBP))
  const top = o.read(pointer)
  const slot = (from: V, index: number): V => o.sub(stackSize, from, o.constant(BigInt(index) * bytes))
  const allocated = o.constant(BigInt.asUintN(16, dst.value))
  const last = o.sub(stackSize, slot(top, level === 0 ? 1 : level + 1), allocated)
  for (let outer = 1; outer < level; outer++) o.load(size, SS, slot(base, outer))
  o.touch(size, SS, slot(top, 1))
  o.touch(size, SS, slot(top, level === 0 ? 1 : level + 1))
  o.touch(8, SS, last)
  const frame = slot(top, 1)
  o.store(size, SS, frame, o.read(gpr(size, RBP)))
  for (let outer = 1; outer < level; outer++) o.store(size, SS, slot(frame, outer), o.load(size, SS, slot(base, outer)))
  if (level > 0) o.store(size, SS, slot(frame, level), o.zeroExtend(size, frame))
  o.write(gpr(size, RBP), o.zeroExtend(size, frame))
  o.write(pointer, last)
}

/** AX, CX, DX, BX, SP as it was, BP, SI, DI. */
function pushAll<V>(o: Ops<V>, { size, stackSize }: Instruction): void {
  const pointer = gpr(stackSize, RSP)
  const top = o.read(pointer)
  const slot = (index: number): V => o.sub(stackSize, top, o.constant(BigInt(((index + 1) * size) / 8)))
  o.touch(size, SS, slot(0))
  o.touch(size, SS, slot(7))
  for (let index = 0; index < 8; index++) o.store(size, SS, slot(index), o.read(gpr(size, index)))
  o.write(pointer, slot(7))
}

/** The same backwards; the saved SP is skipped. */
function popAll<V>(o: Ops<V>, { size, stackSize }: Instruction): void {
  const pointer = gpr(stackSize, RSP)
  const top = o.read(pointer)
  const slot = (index: number): V => o.add(stackSize, top, o.constant(BigInt((index * size) / 8)))
  const values = Array.from({ length: 8 }, (_, index) => o.load(size, SS, slot(index)))
  for (const [index, value] of values.entries()) if (index !== 7 - RSP) o.write(gpr(size, 7 - index), value)
  o.write(pointer, slot(8))
}

/** A row for each operand size, by name, and one for the mode's own. */
const allRegisters = (mnemonic: string, opcode: string, execute: InstructionRow['execute']): InstructionRow[] =>
  [
    [`${mnemonic}W`, `o16 ${opcode}`, '!64'],
    [`${mnemonic}D`, `o32 ${opcode}`, '!64'],
    [mnemonic, opcode, '!64 encode'],
  ].map(([name, form, remarks]) => instruction(name!, { forms: [[form!, '', remarks!]], execute }))

export const STACK: readonly InstructionRow[] = [
  PUSH,
  POP,
  pushFlags('PUSHFQ', 'o64 9C', 'd64 64'),
  pushFlags('PUSHFD', 'o32 9C', '!64'),
  pushFlags('PUSHFW', 'o16 9C', 'd64'),
  pushFlags('PUSHF', '9C', 'd64 encode'),
  popFlags('POPFQ', 'o64 9D', 'd64 64'),
  popFlags('POPFD', 'o32 9D', '!64'),
  popFlags('POPFW', 'o16 9D', 'd64'),
  popFlags('POPF', '9D', 'd64 encode'),
  LEAVE,
  instruction('ENTER', { forms: [['C8 iw ib', 'imm16, uimm8', 'd64']], execute: enter }),
  ...allRegisters('PUSHA', '60', pushAll),
  ...allRegisters('POPA', '61', popAll),
]
