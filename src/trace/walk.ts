/**
 * The walk over a trace's blocks when it is opened: every checksum is checked, and the order of the blocks. A file that ends
 * inside a block was cut short; everything before that block counts. Anything else that does not fit is damage.
 */

import {
  BLOCK_HEADER_BYTES,
  type Block,
  checkPayload,
  checkPreamble,
  inflateBlock,
  PREAMBLE_BYTES,
  placeOf,
  readBlockHeader,
} from './block.ts'
import type { Source } from './storage.ts'
import { damaged, TraceFileError } from './trace-file-error.ts'

/** A keyframe and the blocks of its pages. */
export interface KeyframeBlocks {
  readonly block: Block
  readonly pages: readonly Block[]
  /** Events that stand before it. */
  readonly before: number
}

export interface Walk {
  /** HEAD, EVTS, KEYF and PAGE in the order of the file. */
  readonly blocks: readonly Block[]
  readonly keyframes: readonly KeyframeBlocks[]
  readonly index: Block | undefined
  readonly truncated: string | undefined
  /** A block before compression. */
  raw(block: Block): Uint8Array
}

/** The blocks of the file in order, and where and how their row ends. */
function readBlocks(source: Source): { blocks: Block[]; end: number; cut: string | undefined } {
  const blocks: Block[] = []
  let at = PREAMBLE_BYTES
  while (at < source.size && blocks.at(-1)?.type !== 'INDX') {
    const header = source.read(at, BLOCK_HEADER_BYTES)
    const cut = `the trace was cut short: it ends at byte ${source.size}, inside the block that starts at byte ${at}`
    if (header.length < BLOCK_HEADER_BYTES) return { blocks, end: at, cut }
    const block = readBlockHeader(header, at)
    const payload = source.read(at + BLOCK_HEADER_BYTES, block.storedBytes)
    if (payload.length < block.storedBytes) return { blocks, end: at, cut }
    checkPayload(block, payload)
    blocks.push(block)
    at += BLOCK_HEADER_BYTES + block.storedBytes
  }
  return { blocks, end: at, cut: blocks.at(-1)?.type === 'INDX' ? undefined : 'the trace was cut short: its index is missing' }
}

/** What follows the index is its length and nothing else; true when even that is cut off. */
function endsInLength(source: Source, index: Block, end: number): boolean {
  const tail = source.read(end, source.size - end)
  const { length } = tail
  const expected = new Uint8Array(Uint32Array.of(BLOCK_HEADER_BYTES + index.storedBytes).buffer)
  if (length > 4 || tail.some((byte, i) => byte !== expected[i])) throw damaged(`byte ${end}`, 'there is more than a trace in the file')
  return length === 4
}

/** Keyframes with their pages; the last one may still lack some, and then it does not count. */
function gatherKeyframes(blocks: readonly Block[]): { keyframes: KeyframeBlocks[]; missing: number } {
  const keyframes: (KeyframeBlocks & { pages: Block[] })[] = []
  let missing = 0
  let events = 0
  for (const block of blocks) {
    if (block.type === 'PAGE') {
      const pages = keyframes.at(-1)?.pages
      if (!pages || block.count === 0 || block.count > missing) throw damaged(placeOf(block), 'it belongs to no keyframe')
      pages.push(block)
      missing -= block.count
      continue
    }
    if (missing > 0) throw damaged(placeOf(block), 'the keyframe before it lacks pages')
    if (block.type === 'EVTS') events += block.count
    if (block.type === 'KEYF') {
      keyframes.push({ block, pages: [], before: events })
      missing = block.count
    }
  }
  return { keyframes, missing }
}

/** Checks the whole file and says what is in it. */
export function walkBlocks(source: Source): Walk {
  checkPreamble(source.read(0, PREAMBLE_BYTES))
  const { blocks, end, cut } = readBlocks(source)
  if (blocks.length === 0)
    throw new TraceFileError('not-a-trace', 'the trace was cut short inside its header, so nothing of it can be read')
  const odd = blocks.find((block, i) => (block.type === 'HEAD') !== (i === 0) || (block.type === 'EVTS' && block.count === 0))
  if (odd) throw damaged(placeOf(odd), 'it does not belong there')
  let truncated = cut
  const index = cut === undefined ? blocks.pop() : undefined
  if (index && !endsInLength(source, index, end)) truncated = 'the trace was cut short: its last bytes are missing'
  const { keyframes, missing } = gatherKeyframes(blocks)
  if (missing > 0) {
    if (index) throw damaged(placeOf(index), 'the keyframe before it lacks pages')
    // The keyframe goes with its missing pages, also out of what the identity covers.
    const { block } = keyframes.pop()!
    blocks.length = blocks.indexOf(block)
  }
  const raw = (block: Block): Uint8Array => inflateBlock(block, source.read(block.offset + BLOCK_HEADER_BYTES, block.storedBytes))
  return { blocks, keyframes, index, truncated, raw }
}
