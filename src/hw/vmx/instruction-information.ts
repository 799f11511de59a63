/**
 * The VM-exit instruction-information field (Intel SDM, "VM-Exit Instruction-Information Field").
 *
 *     1:0 scale   6:3 register   9:7 address size   10 register form   17:15 segment   21:18 index   22 no index
 *     26:23 base   27 no base   31:28 second register
 */

import type { Instruction } from '../../isa/instruction.ts'
import type { MemoryOperand, Operand } from '../../isa/operands.ts'

const ADDRESS_SIZES = { 16: 0, 32: 1, 64: 2 } as const
/** Bits 9:7. */
export const addressSizeBits = (size: MemoryOperand['addressSize']): number => ADDRESS_SIZES[size] << 7

const SCALES = { 1: 0, 2: 1, 4: 2, 8: 3 } as const

const registerOf = (operand: Operand): number => (operand.kind === 'register' ? operand.index : 0)

/** LGDT and LIDT (bit 29 of what follows) and SGDT, SIDT have an identity in bits 29:28; so have LLDT, LTR, SLDT, STR. */
const IDENTITY: Readonly<Record<string, number>> = { SGDT: 0, SIDT: 1, LGDT: 2, LIDT: 3, SLDT: 0, STR: 1, LLDT: 2, LTR: 3 }

function memoryBits(operand: MemoryOperand): number {
  const noIndex = operand.index < 0
  const noBase = operand.base === 'rip' || operand.base < 0
  const index = noIndex ? 1 << 22 : operand.index << 18
  const base = noBase ? 1 << 27 : (operand.base as number) << 23
  return SCALES[operand.scale] | addressSizeBits(operand.addressSize) | (operand.segment << 15) | index | base
}

/** RDRAND and RDSEED: the destination register and, in bits 12:11, its size. */
const OPERAND_SIZES: Readonly<Record<number, number>> = { 16: 0, 32: 1, 64: 2 }

export function instructionInformation({ row, dst, src, size }: Instruction): number {
  if (row.mnemonic === 'RDRAND' || row.mnemonic === 'RDSEED') return (registerOf(dst) << 3) | (OPERAND_SIZES[size]! << 11)
  const memory = dst.kind === 'memory' ? dst : src.kind === 'memory' ? src : null
  const identity = IDENTITY[row.mnemonic]
  if (identity !== undefined) {
    const place = memory === null ? (1 << 10) | (registerOf(dst) << 3) : memoryBits(memory)
    return (place | (identity << 28)) >>> 0
  }
  // The register operand that is not the memory one; for VMREAD and VMWRITE that is the field's encoding.
  const second = row.mnemonic === 'VMREAD' ? src : dst
  const first = row.mnemonic === 'VMREAD' ? dst : src
  const secondBits = second.kind === 'register' ? second.index << 28 : 0
  return ((memory === null ? (1 << 10) | (registerOf(first) << 3) : memoryBits(memory)) | secondBits) >>> 0
}
