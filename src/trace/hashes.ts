/** Hashes of many rows at once, column after column: two words of 32 bits a row, 53 bits of which make the result. */

import type { Column } from './columns.ts'

export interface Hashes {
  readonly low: Int32Array
  readonly high: Int32Array
}

const LOW_FACTOR = 0x9e3779b1 | 0
const HIGH_FACTOR = 0x85ebca6b | 0

/** One more word into a running hash. */
function mixed(hash: number, word: number, factor: number): number {
  const product = Math.imul(hash ^ word, factor)
  return product ^ (product >>> 15)
}

function hashText(text: string, factor: number): number {
  let hash = text.length
  for (let i = 0; i < text.length; i++) hash = mixed(hash, text.charCodeAt(i), factor)
  return hash
}

function hashBytes(bytes: Uint8Array, factor: number): number {
  let hash = bytes.length
  for (const byte of bytes) hash = mixed(hash, byte, factor)
  return hash
}

/** One hash per row; all start from the same name. */
export const startHashes = (name: string, rows: number): Hashes => ({
  low: new Int32Array(rows).fill(hashText(name, LOW_FACTOR)),
  high: new Int32Array(rows).fill(hashText(name, HIGH_FACTOR)),
})

/** The values of a column into the hashes of their rows. */
export function hashColumn(hashes: Hashes, column: Column): void {
  if (column instanceof BigUint64Array || column instanceof Float64Array) {
    const words = new Int32Array(column.buffer, column.byteOffset, column.length * 2)
    hashWords(hashes, words, 0, 2)
    hashWords(hashes, words, 1, 2)
  } else if (column instanceof Uint8Array || column instanceof Uint16Array || column instanceof Uint32Array) {
    hashWords(hashes, new Int32Array(column), 0, 1)
  } else {
    const values: readonly (string | Uint8Array)[] = column
    mixInto(hashes.low, lengthyHashes(values, LOW_FACTOR), 0, 1, LOW_FACTOR)
    mixInto(hashes.high, lengthyHashes(values, HIGH_FACTOR), 0, 1, HIGH_FACTOR)
  }
}

/** Hashes of texts or bytes. The same few texts come again and again. */
function lengthyHashes(values: readonly (string | Uint8Array)[], factor: number): Int32Array {
  const known = new Map<string, number>()
  const hashes = new Int32Array(values.length)
  for (const [row, value] of values.entries()) {
    if (typeof value !== 'string') {
      hashes[row] = hashBytes(value, factor)
      continue
    }
    const hash = known.get(value) ?? hashText(value, factor)
    known.set(value, hash)
    hashes[row] = hash
  }
  return hashes
}

function hashWords({ low, high }: Hashes, words: Int32Array, from: number, step: number): void {
  mixInto(low, words, from, step, LOW_FACTOR)
  mixInto(high, words, from, step, HIGH_FACTOR)
}

function mixInto(hashes: Int32Array, words: Int32Array, from: number, step: number, factor: number): void {
  for (let row = 0; row < hashes.length; row++) hashes[row] = mixed(hashes[row]!, words[from + row * step]!, factor)
}

/** The hashes as numbers below 2^53. */
export function finished({ low, high }: Hashes): Float64Array {
  const hashes = new Float64Array(low.length)
  for (let row = 0; row < hashes.length; row++) hashes[row] = (low[row]! >>> 0) + (high[row]! & 0x1f_ffff) * 2 ** 32
  return hashes
}
