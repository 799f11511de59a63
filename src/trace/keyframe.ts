/**
 * A keyframe: the machine between two events, enough to run forward from there. The plain rows and the registers are whole in
 * each; of memory a keyframe has the pages written since the one before, so pages add up from the first keyframe on. They
 * stand in blocks of their own, at most 256 in each, so that a big guest does not need a big buffer.
 */

import { assert } from '../base/assert.ts'
import { PAGE_SIZE } from '../base/units.ts'
import { asArray, asBytes, asCount, asObject, canonical, type PlainObject, packValue, revived, unpackValue } from './canonical.ts'
import { packNumbers, unpackNumbers } from './columns.ts'
import { damaged } from './trace-file-error.ts'

export const BLOCK_PAGES = 256

export type Page = readonly [pageNumber: number, bytes: Uint8Array]

/** Where a keyframe stands. */
export interface KeyframePosition {
  /** The event before which it stands. */
  readonly index: number
  readonly tick: number
  readonly instructions: number
}

export interface Keyframe extends KeyframePosition {
  readonly state: PlainObject
  readonly registers: Uint8Array
  /** What was written since the previous keyframe. */
  readonly pages: readonly Page[]
}

/** Everything but the pages. */
export const packKeyframe = ({ index, tick, instructions, state, registers }: Keyframe): Uint8Array =>
  packValue([index, tick, instructions, canonical(state, 'state'), registers])

export function unpackKeyframe(raw: Uint8Array, where: string): Omit<Keyframe, 'pages'> {
  const [index, tick, instructions, state, registers] = asArray(unpackValue(raw, where), where, 5)
  return {
    index: asCount(index, where),
    tick: asCount(tick, where),
    instructions: asCount(instructions, where),
    state: asObject(revived(asObject(state, where), where), where),
    registers: asBytes(registers, where).slice(),
  }
}

/** The pages in ascending order, in portions of one block. */
export function pagePortions(pages: readonly Page[]): (readonly Page[])[] {
  const sorted = [...pages].sort(([a], [b]) => a - b)
  for (const [number, bytes] of sorted)
    assert(bytes.length === PAGE_SIZE && Number.isSafeInteger(number) && number >= 0, 'a page has 4096 bytes')
  assert(
    sorted.every(([number], i) => number !== sorted[i + 1]?.[0]),
    'a keyframe has each page once',
  )
  return Array.from({ length: Math.ceil(sorted.length / BLOCK_PAGES) }, (_, i) => sorted.slice(i * BLOCK_PAGES, (i + 1) * BLOCK_PAGES))
}

export function packPages(pages: readonly Page[]): Uint8Array {
  const bytes = new Uint8Array(pages.length * PAGE_SIZE)
  for (const [i, [, page]] of pages.entries()) bytes.set(page, i * PAGE_SIZE)
  return packValue([packNumbers(pages.map(([number]) => number)), bytes])
}

export function unpackPages(raw: Uint8Array, count: number, where: string): Page[] {
  const [packed, bytes] = asArray(unpackValue(raw, where), where, 2)
  if (count > BLOCK_PAGES) throw damaged(where, 'too many pages')
  const numbers = unpackNumbers(packed, count, where)
  if (numbers.some(number => number < 0)) throw damaged(where, 'a page number is out of range')
  const all = asBytes(bytes, where, count * PAGE_SIZE)
  return Array.from(numbers, (number, i) => [number, all.slice(i * PAGE_SIZE, (i + 1) * PAGE_SIZE)] as const)
}
