/**
 * Memory operand to ModRM, SIB and displacement (Intel SDM, "Instruction Format"): the inverse of `modrm.ts`. The shortest
 * displacement is taken unless the source asks for another or the value is an address, whose size must not depend on it.
 */

import type { AddressSize, SegmentIndex } from './operands.ts'

export interface EncodeMemory {
  readonly kind: 'memory'
  /** 0 where the source gives none. */
  readonly size: 0 | 8 | 16 | 32 | 64 | 80 | 128 | 256
  /** `far [x]`. */
  readonly far: boolean
  /** An override, written; -1 for none. */
  readonly segment: SegmentIndex | -1
  readonly addressSize: AddressSize
  /** Register index, -1 for none, 'rip' for an address that is encoded relative to the next instruction. */
  readonly base: number | 'rip'
  readonly index: number
  readonly scale: 1 | 2 | 4 | 8
  readonly displacement: bigint
  /** Bytes the source asks for; 0 where it leaves the choice. */
  readonly displacementBytes: 0 | 1 | 2 | 4 | 8
  /** The displacement holds an address: always encoded at full size. */
  readonly symbolic: boolean
  /** Of an address: what it counts from, handed on to the fixup. */
  readonly section?: number
}

export interface EncodedAddress {
  readonly mod: 0 | 1 | 2
  readonly rm: number
  /** -1 without one. */
  readonly sib: number
  readonly displacementBytes: 0 | 1 | 2 | 4
  /** REX.X and REX.B. */
  readonly rexX: 0 | 1
  readonly rexB: 0 | 1
}

const ESP = 4
const EBP = 5

/** ModRM.rm of the 16-bit forms, by base and index: BX 3, BP 5, SI 6, DI 7. */
const RM_16: Readonly<Record<string, number>> = { '3+6': 0, '3+7': 1, '5+6': 2, '5+7': 3, '6+-1': 4, '7+-1': 5, '5+-1': 6, '3+-1': 7 }

/** Undefined when this address size cannot say it. */
export function encodeAddress(memory: EncodeMemory, bits: 16 | 32 | 64): EncodedAddress | undefined {
  return memory.addressSize === 16 ? encode16(memory) : encode32(memory, bits)
}

function encode16(memory: EncodeMemory): EncodedAddress | undefined {
  const { base, index } = memory
  const plain = { sib: -1, rexX: 0, rexB: 0 } as const
  if (base === -1 && index === -1) return { mod: 0, rm: 6, displacementBytes: 2, ...plain }
  const rm = RM_16[`${base}+${index}`] ?? RM_16[`${index}+${base}`]
  if (rm === undefined || memory.scale !== 1) return undefined
  const { mod, displacementBytes } = displacementOf(memory, rm === 6 ? 1 : 0, 2)
  return { mod, rm, displacementBytes, ...plain }
}

function encode32(memory: EncodeMemory, bits: 16 | 32 | 64): EncodedAddress | undefined {
  const { base, index, scale } = memory
  if (base === 'rip') return { mod: 0, rm: 5, sib: -1, displacementBytes: 4, rexX: 0, rexB: 0 }
  if (index === ESP) return undefined
  const rexX = index >= 8 ? 1 : 0
  const rexB = base >= 8 ? 1 : 0
  const scaleBits = { 1: 0, 2: 1, 4: 2, 8: 3 }[scale] << 6
  const indexBits = (index === -1 ? ESP : index & 7) << 3
  if (base === -1) {
    // Without a base, ModRM.rm 5 is the absolute address; in 64-bit code that pattern means RIP-relative, so a SIB says it.
    if (index === -1 && bits !== 64) return { mod: 0, rm: 5, sib: -1, displacementBytes: 4, rexX, rexB }
    return { mod: 0, rm: 4, sib: scaleBits | indexBits | EBP, displacementBytes: 4, rexX, rexB }
  }
  const low = base & 7
  const { mod, displacementBytes } = displacementOf(memory, low === EBP ? 1 : 0, 4)
  if (index === -1 && low !== ESP) return { mod, rm: low, sib: -1, displacementBytes, rexX, rexB }
  return { mod, rm: 4, sib: scaleBits | indexBits | low, displacementBytes, rexX, rexB }
}

/** How many displacement bytes; a base whose pattern without displacement means something else takes at least `least`. */
function displacementOf(memory: EncodeMemory, least: 0 | 1, full: 2 | 4): { mod: 0 | 1 | 2; displacementBytes: 0 | 1 | 2 | 4 } {
  const { displacement, displacementBytes: asked, symbolic } = memory
  const wide = { mod: 2, displacementBytes: full } as const
  if (asked === 1) return { mod: 1, displacementBytes: 1 }
  if (asked !== 0 || symbolic) return wide
  if (displacement === 0n && least === 0) return { mod: 0, displacementBytes: 0 }
  return displacement >= -128n && displacement <= 127n ? { mod: 1, displacementBytes: 1 } : wide
}
