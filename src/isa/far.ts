/** Far pointers and descriptors read by software (Intel SDM, "LDS/LES/LFS/LGS/LSS", "LAR", "LSL", "VERR/VERW", "ARPL", "LMSW", "SMSW"). */

import { type InstructionRow, instruction } from './instruction.ts'
import type { MemoryOperand, SegmentIndex } from './operands.ts'
import type { SystemOperation } from './system-operations.ts'

const loadPointer = (mnemonic: string, opcode: string, remarks: string): InstructionRow =>
  instruction(mnemonic, { forms: [[`${opcode} /r`, 'r, mem', remarks]], execute: o => o.system('load-far-pointer') })

/** LAR and LSL read a selector: its register may be written at any size. */
const readDescriptor = (mnemonic: string, opcode: string, operation: SystemOperation): InstructionRow =>
  instruction(mnemonic, {
    writes: 'ZF',
    forms: [
      [`0F ${opcode} /r`, 'r, r/m16'],
      [`0F ${opcode} /r`, 'r, rm32', 'encode'],
      [`0F ${opcode} /r`, 'r, rm64', 'encode'],
    ],
    execute: o => o.system(operation),
  })

const verify = (mnemonic: string, digit: number): InstructionRow =>
  instruction(mnemonic, {
    writes: 'ZF',
    forms: [[`0F 00 /${digit}`, 'r/m16']],
    execute: o => o.system(mnemonic.toLowerCase() as SystemOperation),
  })

/** #BR where a signed index is below the first or above the second of two bounds in memory. */
const BOUND = instruction('BOUND', {
  forms: [['62 /r', 'r, mem', '!64']],
  execute(o, { size, dst, src, addressSize }) {
    const segment: SegmentIndex = (src as MemoryOperand).segment
    const address = o.address(src)
    const sign = o.constant(1n << BigInt(size - 1))
    // Signed order is unsigned order with the sign bits inverted.
    const index = o.xor(o.read(dst), sign)
    const lower = o.xor(o.load(size, segment, address), sign)
    const upper = o.xor(o.load(size, segment, o.add(addressSize, address, o.constant(BigInt(size / 8)))), sign)
    o.when(o.or(o.below(index, lower), o.below(upper, index)), () => o.fault(5))
  },
})

/** The requested privilege of the destination's selector becomes at least that of the source's. */
const ARPL = instruction('ARPL', {
  writes: 'ZF',
  forms: [['63 /r', 'r/m16, r16', '!64']],
  execute(o, { dst, src }) {
    const rpl = o.constant(3n)
    const selector = o.read(dst) // not yet as a write: the store comes only if the privilege rises
    const wanted = o.and(o.read(src), rpl)
    const rises = o.below(o.and(selector, rpl), wanted)
    o.when(rises, () => o.write(dst, o.or(o.and(selector, o.constant(0xfffcn)), wanted)))
    o.setFlag('ZF', rises)
  },
})

export const FAR_POINTERS: readonly InstructionRow[] = [
  loadPointer('LDS', 'C5', '!64'),
  loadPointer('LES', 'C4', '!64'),
  loadPointer('LSS', '0F B2', ''),
  loadPointer('LFS', '0F B4', ''),
  loadPointer('LGS', '0F B5', ''),
  readDescriptor('LAR', '02', 'lar'),
  readDescriptor('LSL', '03', 'lsl'),
  verify('VERR', 4),
  verify('VERW', 5),
  ARPL,
  BOUND,
  instruction('LMSW', { forms: [['0F 01 /6', 'r/m16']], execute: o => o.system('lmsw') }),
  instruction('SMSW', {
    forms: [
      ['0F 01 /4', 'rm'],
      ['0F 01 /4', 'm16'],
    ],
    execute: o => o.system('smsw'),
  }),
]
