/**
 * Decoded instructions by the physical page their bytes lie in. A store to the page drops them; an instruction that crosses into
 * another page is decoded every time.
 */

import { PAGE_SIZE } from '../../base/units.ts'
import type { Instruction } from '../../isa/instruction.ts'
import type { CostTable } from '../time/costs.ts'
import { instructionCost } from '../time/instruction-cost.ts'

/** An instruction with what the CPU wants to know each time it runs. */
export interface DecodedInstruction {
  readonly instruction: Instruction
  readonly ticks: number
}

export interface DecodeCache {
  /** By page number times 4 plus the code size (0, 1, 2 for 16, 32, 64 bits); then by offset in the page. */
  readonly pages: Map<number, (DecodedInstruction | undefined)[]>
}

const CODE_SIZES = [16, 32, 64] as const

export const newDecodeCache = (): DecodeCache => ({ pages: new Map() })

export const prepare = (instruction: Instruction, costs: CostTable): DecodedInstruction => ({
  instruction,
  ticks: instructionCost(instruction, costs),
})

export function decodedPage(cache: DecodeCache, page: number, bits: 16 | 32 | 64): (DecodedInstruction | undefined)[] {
  const key = page * 4 + CODE_SIZES.indexOf(bits)
  let offsets = cache.pages.get(key)
  if (offsets === undefined) {
    offsets = new Array<DecodedInstruction | undefined>(PAGE_SIZE).fill(undefined)
    cache.pages.set(key, offsets)
  }
  return offsets
}

export function dropDecoded(cache: DecodeCache, page: number): void {
  for (let size = 0; size < CODE_SIZES.length; size++) {
    // Emptied in place: an engine may hold on to the array.
    cache.pages.get(page * 4 + size)?.fill(undefined)
  }
}
