/**
 * The file's outer shape: a preamble of 16 bytes, then blocks. A block is a header of 24 bytes and a payload compressed with
 * raw deflate. Two CRC-32s cover every byte: one the header, so that a flipped length is told from a file cut short, one the
 * payload. Numbers are little-endian.
 *
 *     preamble   89 'VTRACE' 0A | version u32 | crc of the 12 bytes before
 *     block      type, 4 letters | count u32 | stored length u32 | raw length u32 | payload crc u32 | header crc u32 | payload
 */

import { crc32, deflateRawSync, inflateRawSync } from 'node:zlib'
import { assert } from '../base/assert.ts'
import { damaged, TraceFileError } from './trace-file-error.ts'

/** Rises when a reader of the previous version would misread a file. 1: the first format. */
export const TRACE_VERSION = 1

/** HEAD once, at the front; EVTS and KEYF with its PAGEs as they come; INDX once, when the recording was closed. */
export type BlockType = 'HEAD' | 'EVTS' | 'KEYF' | 'PAGE' | 'INDX'

const TYPES: ReadonlySet<string> = new Set<BlockType>(['HEAD', 'EVTS', 'KEYF', 'PAGE', 'INDX'])

/** No block is larger before compression: what a hostile file makes a reader allocate is bounded. The header holds the program. */
export const MAX_RAW: Readonly<Record<BlockType, number>> = {
  HEAD: 64 << 20,
  EVTS: 16 << 20,
  KEYF: 16 << 20,
  PAGE: 2 << 20,
  INDX: 16 << 20,
}

export const PREAMBLE_BYTES = 16
export const BLOCK_HEADER_BYTES = 24

const MAGIC = Uint8Array.of(0x89, 0x56, 0x54, 0x52, 0x41, 0x43, 0x45, 0x0a)

export interface Block {
  readonly type: BlockType
  /** Events of an EVTS, pages that follow a KEYF, pages in a PAGE; else 0. */
  readonly count: number
  /** Of the block's header in the file. */
  readonly offset: number
  readonly storedBytes: number
  readonly rawBytes: number
  readonly payloadCrc: number
}

const dataView = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

export function preamble(): Uint8Array {
  const bytes = new Uint8Array(PREAMBLE_BYTES)
  bytes.set(MAGIC)
  const view = dataView(bytes)
  view.setUint32(8, TRACE_VERSION, true)
  view.setUint32(12, crc32(bytes.subarray(0, 12)), true)
  return bytes
}

/** Refuses what is not the start of a trace of this version. */
export function checkPreamble(bytes: Uint8Array): void {
  if (bytes.length < PREAMBLE_BYTES || !MAGIC.every((byte, i) => bytes[i] === byte)) {
    throw new TraceFileError('not-a-trace', bytes.length === 0 ? 'the file is empty' : 'the file is not a vtick trace')
  }
  const view = dataView(bytes)
  if (view.getUint32(12, true) !== crc32(bytes.subarray(0, 12))) throw damaged('its first 16 bytes', 'the checksum is wrong')
  const version = view.getUint32(8, true)
  if (version !== TRACE_VERSION) {
    throw new TraceFileError('unsupported-version', `the trace has format version ${version}, this vtick reads version ${TRACE_VERSION}`)
  }
}

/** A block as it stands in the file. */
export function packBlock(type: BlockType, count: number, raw: Uint8Array): Uint8Array {
  assert(raw.length <= MAX_RAW[type], `a ${type} block has at most ${MAX_RAW[type]} bytes`)
  const payload = deflateRawSync(raw, { level: 1 })
  const bytes = new Uint8Array(BLOCK_HEADER_BYTES + payload.length)
  bytes.set(payload, BLOCK_HEADER_BYTES)
  const view = dataView(bytes)
  for (let i = 0; i < 4; i++) bytes[i] = type.charCodeAt(i)
  view.setUint32(4, count, true)
  view.setUint32(8, payload.length, true)
  view.setUint32(12, raw.length, true)
  view.setUint32(16, crc32(payload), true)
  view.setUint32(20, crc32(bytes.subarray(0, 20)), true)
  return bytes
}

/** The header at `offset`; `header` holds its 24 bytes. */
export function readBlockHeader(header: Uint8Array, offset: number): Block {
  const view = dataView(header)
  const type = String.fromCharCode(...header.subarray(0, 4))
  if (view.getUint32(20, true) !== crc32(header.subarray(0, 20)) || !TYPES.has(type)) {
    throw damaged(`byte ${offset}`, 'the checksum of a block header is wrong')
  }
  const block = {
    type: type as BlockType,
    count: view.getUint32(4, true),
    offset,
    storedBytes: view.getUint32(8, true),
    rawBytes: view.getUint32(12, true),
    payloadCrc: view.getUint32(16, true),
  }
  if (block.rawBytes > MAX_RAW[block.type]) throw damaged(`byte ${offset}`, `a block claims ${block.rawBytes} bytes`)
  return block
}

export const placeOf = (block: Block): string => `block ${block.type} at byte ${block.offset}`

export function checkPayload(block: Block, payload: Uint8Array): void {
  if (crc32(payload) !== block.payloadCrc) throw damaged(placeOf(block), 'the checksum is wrong')
}

/** The payload as it was before compression. */
export function inflateBlock(block: Block, payload: Uint8Array): Uint8Array {
  checkPayload(block, payload)
  let raw: Buffer
  try {
    // One output buffer of the right size; a bomb ends at the length that was announced.
    raw = inflateRawSync(payload, { maxOutputLength: Math.max(block.rawBytes, 1), chunkSize: Math.max(block.rawBytes + 64, 64) })
  } catch {
    throw damaged(placeOf(block), 'it cannot be decompressed')
  }
  if (raw.length !== block.rawBytes) throw damaged(placeOf(block), 'its length differs from the one announced')
  return new Uint8Array(raw.buffer, raw.byteOffset, raw.length)
}
