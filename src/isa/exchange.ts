/** Exchanges that compare or add (Intel SDM, "CMPXCHG"; "CMPXCHG8B/CMPXCHG16B"; "XADD"). */

import type { Size } from '../base/u64.ts'
import { type Instruction, type InstructionRow, instruction } from './instruction.ts'
import { gpr, type MemoryOperand, RAX, RBX, RCX, RDX } from './operands.ts'
import type { Ops } from './ops.ts'

export const CMPXCHG = instruction('CMPXCHG', {
  writes: 'OF SF ZF AF PF CF',
  prefixes: ['lock'],
  forms: [
    ['0F B0 /r', 'r/m8, r8'],
    ['0F B1 /r', 'r/m, r'],
  ],
  execute(o, { size, dst, src }) {
    const accumulator = gpr(size, RAX)
    const expected = o.read(accumulator)
    const present = o.modify(dst)
    const isEqual = o.equal(expected, present)
    const replacement = o.read(src)
    // Memory is written either way; a register only when equal, so that its upper half stays otherwise.
    if (dst.kind === 'memory') o.write(dst, o.select(isEqual, replacement, present))
    else o.when(isEqual, () => o.write(dst, replacement))
    o.when(
      isEqual,
      () => {},
      () => o.write(accumulator, present),
    )
    o.flags('sub', size, expected, present, o.sub(size, expected, present))
  },
})

export const XADD = instruction('XADD', {
  writes: 'OF SF ZF AF PF CF',
  prefixes: ['lock'],
  forms: [
    ['0F C0 /r', 'r/m8, r8'],
    ['0F C1 /r', 'r/m, r'],
  ],
  execute(o, { size, dst, src }) {
    const a = o.modify(dst)
    const b = o.read(src)
    const sum = o.add(size, a, b)
    if (dst.kind === 'memory') {
      o.write(dst, sum)
      o.write(src, a)
    } else {
      o.write(src, a)
      o.write(dst, sum) // the same register twice: the sum stays
    }
    o.flags('add', size, a, b, sum)
  },
})

/** Two halves of memory against EDX:EAX or RDX:RAX; equal, they become ECX:EBX or RCX:RBX. */
function exchangePair<V>(o: Ops<V>, { dst, addressSize }: Instruction, half: Size): void {
  const { segment } = dst as MemoryOperand
  const lowAt = o.address(dst)
  const highAt = o.add(addressSize, lowAt, o.constant(BigInt(half / 8)))
  // The whole operand is checked before its first byte is read.
  if (half === 32) o.touch(64, segment, lowAt)
  else {
    o.touch(half, segment, lowAt)
    o.touch(half, segment, highAt)
  }
  const low = o.load(half, segment, lowAt)
  const high = o.load(half, segment, highAt)
  const isEqual = o.and(o.equal(low, o.read(gpr(half, RAX))), o.equal(high, o.read(gpr(half, RDX))))
  o.store(half, segment, lowAt, o.select(isEqual, o.read(gpr(half, RBX)), low))
  o.store(half, segment, highAt, o.select(isEqual, o.read(gpr(half, RCX)), high))
  o.when(
    isEqual,
    () => {},
    () => {
      o.write(gpr(half, RAX), low)
      o.write(gpr(half, RDX), high)
    },
  )
  o.setFlag('ZF', isEqual)
}

export const CMPXCHG8B = instruction('CMPXCHG8B', {
  feature: 'cx8',
  writes: 'ZF',
  prefixes: ['lock'],
  forms: [['0F C7 /1', 'm64']],
  execute: (o, i) => exchangePair(o, i, 32),
})

/** The address must be a multiple of 16, else #GP. */
export const CMPXCHG16B = instruction('CMPXCHG16B', {
  feature: 'cx16',
  writes: 'ZF',
  prefixes: ['lock'],
  forms: [['W 0F C7 /1', 'm128', '64']],
  execute(o, i) {
    o.when(
      o.equal(o.and(o.address(i.dst), o.constant(15n)), o.constant(0n)),
      () => exchangePair(o, i, 64),
      () => o.fault(13, 0),
    )
  },
})

export const EXCHANGES: readonly InstructionRow[] = [CMPXCHG, XADD, CMPXCHG8B, CMPXCHG16B]
