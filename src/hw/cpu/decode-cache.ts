/**
 * Decoded instructions by the physical page their bytes lie in. A store to the page drops them; an instruction that crosses into
 * another page is decoded every time.
 */

import { PAGE_SIZE } from '../../base/units.ts'
import type { Instruction } from '../../isa/instruction.ts'
import type { CostTable } from '../time/costs.ts'
import { instructionCost } from '../time/instruction-cost.ts'
import type { Width } from './mode.ts'
import { type BulkKind, bulkKind } from './repeat.ts'

/** An instruction with what the CPU wants to know each time it runs. */
export interface DecodedInstruction {
  readonly instruction: Instruction
  readonly ticks: number
  /** Iterations of it may be done many at once. */
  readonly bulk: BulkKind | null
}

export interface DecodeCache {
  /** By page number times 8 plus the kind of code. */
  readonly pages: Map<number, DecodedPage>
}

export class DecodedPage {
  /** By offset in the page. */
  readonly offsets: (DecodedInstruction | undefined)[] = []
  readonly #kept: number[] = []

  keep(offset: number, decoded: DecodedInstruction): void {
    if (this.offsets.length === 0) this.offsets.push(...NOTHING)
    this.offsets[offset] = decoded
    this.#kept.push(offset)
  }

  /** Emptied in place: an engine may hold on to it. */
  drop(): void {
    for (const offset of this.#kept) this.offsets[offset] = undefined
    this.#kept.length = 0
  }
}

const NOTHING: readonly undefined[] = new Array(PAGE_SIZE).fill(undefined)

/** Decoding depends on the width of the code and of the stack pointer: 4 pairs, and 64-bit code. */
const KINDS = 5
const kindOf = (bits: Width, stackBits: Width): number => (bits === 64 ? 4 : (bits === 32 ? 2 : 0) + (stackBits === 32 ? 1 : 0))

export const newDecodeCache = (): DecodeCache => ({ pages: new Map() })

export const prepare = (instruction: Instruction, costs: CostTable): DecodedInstruction => ({
  instruction,
  ticks: instructionCost(instruction, costs),
  bulk: bulkKind(instruction),
})

export function decodedPage(cache: DecodeCache, page: number, bits: Width, stackBits: Width): DecodedPage {
  const key = page * 8 + kindOf(bits, stackBits)
  let decoded = cache.pages.get(key)
  if (decoded === undefined) {
    decoded = new DecodedPage()
    cache.pages.set(key, decoded)
  }
  return decoded
}

export function dropDecoded(cache: DecodeCache, page: number): void {
  for (let kind = 0; kind < KINDS; kind++) cache.pages.get(page * 8 + kind)?.drop()
}
