/**
 * The shape of a register block: one table names each register, its width and how many of them stand in a row. The table
 * gives the typed-array views, so that a reader of raw memory (a snapshot, a translator) finds the same bytes.
 *
 *     offset 0        one block per CPU, `blockBytes` each               RAM from `ramOffset(cpus)`
 *     +--------------+--------------+ ... +-----------------------------------------------+
 */

import { PAGE_SIZE } from './units.ts'

export interface LayoutField {
  /** Byte offset inside the block, a multiple of the width. */
  readonly offset: number
  /** Bits of one element. */
  readonly width: 32 | 64
  readonly count: number
}

export type Layout = Readonly<Record<string, LayoutField>>

type View<F extends LayoutField> = F['width'] extends 64 ? BigUint64Array<ArrayBuffer> : Uint32Array<ArrayBuffer>

export type Views<L extends Layout> = { readonly [Name in keyof L]: View<L[Name]> }

/** The views of one block that starts at `base` in `buffer`. */
export function viewsOf<L extends Layout>(layout: L, buffer: ArrayBuffer, base: number): Views<L> {
  const views: Record<string, BigUint64Array<ArrayBuffer> | Uint32Array<ArrayBuffer>> = {}
  for (const [name, field] of Object.entries(layout)) {
    const View = field.width === 64 ? BigUint64Array : Uint32Array
    views[name] = new View(buffer, base + field.offset, field.count)
  }
  return views as Views<L>
}

/** Where guest RAM starts behind `cpus` register blocks. */
export const ramOffset = (cpus: number, blockBytes: number): number => Math.ceil((cpus * blockBytes) / PAGE_SIZE) * PAGE_SIZE
