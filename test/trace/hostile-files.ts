/** Traces with right checksums that try to make a reader allocate: each as large as its blocks may be. */

import { Packr } from 'msgpackr'
import { MAX_RAW, packBlock, preamble } from '../../src/trace/block.ts'
import { packHeader } from '../../src/trace/header.ts'
import { MAX_VALUES } from '../../src/trace/scan.ts'
import { sampleHeader } from './samples.ts'

const head = packBlock('HEAD', 0, packHeader(sampleHeader))

/** `size` bytes: a msgpack type with a length of 32 bits, filled with `fill`. */
function filled(type: number, size: number, length: number, fill: number): Uint8Array {
  const bytes = new Uint8Array(size).fill(fill)
  bytes[0] = type
  new DataView(bytes.buffer).setUint32(1, length)
  return bytes
}

const bin = (size: number): Uint8Array => filled(0xc6, size, size - 5, 0)
const text = (size: number): Uint8Array => filled(0xdb, size, size - 5, 0x41)
const emptyMaps = filled(0xdd, 5 + MAX_VALUES - 1, MAX_VALUES - 1, 0x80)

const trace = (...blocks: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat([preamble(), ...blocks]))
const twenty = (block: Uint8Array): readonly Uint8Array[] => Array.from({ length: 20 }, () => block)

export const HOSTILE_FILES: Readonly<Record<string, Uint8Array>> = {
  'twenty chunks of zeros': trace(head, ...twenty(packBlock('EVTS', 1, bin(MAX_RAW.EVTS)))),
  'twenty keyframes of zeros': trace(head, ...twenty(packBlock('KEYF', 0, bin(MAX_RAW.KEYF)))),
  'as many maps as there may be': trace(head, ...twenty(packBlock('EVTS', 1, emptyMaps))),
  'a header that is one text': trace(packBlock('HEAD', 0, text(MAX_RAW.HEAD))),
  'a chunk that says it has 4 billion events': trace(head, packBlock('EVTS', 0xffff_ffff, new Packr().pack([]))),
}
