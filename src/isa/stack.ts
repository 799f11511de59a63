/** PUSH, POP, LEAVE and the flags on the stack. The stack pointer moves last, so that a fault leaves it alone. */

import type { Size } from '../base/u64.ts'
import { type Instruction, type InstructionRow, instruction } from './instruction.ts'
import { gpr, RBP, RSP, SS } from './operands.ts'
import type { Ops } from './ops.ts'

/** Pushes `size` bits and moves the stack pointer. */
export function push<V>(o: Ops<V>, { stackSize }: Instruction, size: Size, value: V): void {
  const pointer = gpr(stackSize, RSP)
  const below = o.sub(stackSize, o.read(pointer), o.constant(BigInt(size / 8)))
  o.store(size, SS, below, value)
  o.write(pointer, below)
}

/** The `size` bits on top of the stack; moves the stack pointer past them and `extraBytes` more. */
export function pop<V>(o: Ops<V>, { stackSize }: Instruction, size: Size, extraBytes = 0): V {
  const pointer = gpr(stackSize, RSP)
  const top = o.read(pointer)
  const value = o.load(size, SS, top)
  o.write(pointer, o.add(stackSize, top, o.constant(BigInt(size / 8 + extraBytes))))
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
  ],
  // The address of a memory destination is computed after the pointer moved; if its store faults, the pointer moves back.
  execute(o, i) {
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
    o.write(gpr(stackSize, RSP), o.add(stackSize, frame, o.constant(BigInt(size / 8))))
    o.write(gpr(size, RBP), saved)
  },
})

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
]
