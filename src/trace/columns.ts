/**
 * Rows of one shape as columns. A fixed-width column is a `bin` of byte planes: first the lowest byte of every value, then
 * the next byte of every value, up to the width of its type. High bytes rarely change, so their planes nearly vanish in
 * compression. Text and bytes are msgpack lists.
 *
 *     values 0x0102, 0x0103, 0x0203 of a u16:     02 03 03 | 01 01 02
 */

import { AssertionError } from '../base/assert.ts'
import { MAX_U64 } from '../base/u64.ts'
import type { FieldType } from '../spec/trace-events.ts'
import { asArray, asBytes, asText, bytesOf } from './canonical.ts'
import { damaged } from './trace-file-error.ts'

export type Column = Uint8Array | Uint16Array | Uint32Array | BigUint64Array | Float64Array | readonly string[] | readonly Uint8Array[]

export const WIDTH = { u8: 1, u16: 2, u32: 4, u64: 8, count: 8, text: 0, bytes: 0 } as const satisfies Record<FieldType, number>

const TWO_32 = 2 ** 32

/** The byte planes of `count` values of `width` bytes that stand one behind the other. */
export function planesOf(bytes: Uint8Array, count: number, width: number): Uint8Array {
  if (width === 1) return bytes.slice()
  const planes = new Uint8Array(count * width)
  for (let plane = 0, to = 0; plane < width; plane++) for (let at = plane; at < bytes.length; at += width) planes[to++] = bytes[at]!
  return planes
}

/** The values again, one behind the other. */
export function valuesOf(planes: Uint8Array, count: number, width: number): Uint8Array {
  const bytes = new Uint8Array(count * width)
  for (let plane = 0, from = 0; plane < width; plane++) {
    // A plane of zeros is the common case for the high bytes of wide values.
    for (let at = plane; at < bytes.length; at += width) bytes[at] = planes[from++]!
  }
  return bytes
}

/** Numbers of magnitude below 2^53 as 64-bit two's complement. */
export function packNumbers(values: readonly number[] | Float64Array): Uint8Array {
  const words = new Uint32Array(values.length * 2)
  for (let i = 0; i < values.length; i++) {
    words[i * 2] = values[i]! % TWO_32
    words[i * 2 + 1] = Math.floor(values[i]! / TWO_32)
  }
  return planesOf(bytesOf(words), values.length, 8)
}

/** The numbers that `packNumbers` packed; refuses what no safe integer is. */
export function unpackNumbers(value: unknown, count: number, where: string): Float64Array {
  const words = new Int32Array(valuesOf(asBytes(value, where, count * 8), count, 8).buffer)
  const numbers = new Float64Array(count)
  for (let i = 0; i < count; i++) {
    const number = words[i * 2 + 1]! * TWO_32 + (words[i * 2]! >>> 0)
    if (!Number.isSafeInteger(number)) throw damaged(where, 'a number is out of range')
    numbers[i] = number
  }
  return numbers
}

/** The largest number of each type; -1 for those that are no numbers. */
const LIMIT = {
  u8: 0xff,
  u16: 0xffff,
  u32: 0xffff_ffff,
  count: Number.MAX_SAFE_INTEGER,
  u64: 0,
  text: 0,
  bytes: 0,
} as const satisfies Record<FieldType, number>

/** A column that grows by one value after another; `name` is for the message when a value does not fit its type. */
export class ColumnWriter {
  readonly #type: FieldType
  readonly #name: string
  readonly #limit: number
  /** Of the three, one is in use: `add` runs once for every field of every event, and knows what it stores to. */
  #numbers = new Float64Array(0)
  #bigints = new BigUint64Array(0)
  #list: unknown[] = []
  #count = 0

  constructor(type: FieldType, name: string) {
    this.#type = type
    this.#name = name
    this.#limit = LIMIT[type]
  }

  add(value: unknown): void {
    const at = this.#count++
    if (typeof value === 'number') {
      if (!(value >= 0 && value <= this.#limit && Number.isInteger(value))) this.#refuse(value)
      if (at === this.#numbers.length) this.#numbers = grown(this.#numbers, new Float64Array(at * 2 || 64))
      this.#numbers[at] = value
    } else if (typeof value === 'bigint') {
      if (this.#type !== 'u64' || value < 0n || value > MAX_U64) this.#refuse(value)
      if (at === this.#bigints.length) this.#bigints = grown(this.#bigints, new BigUint64Array(at * 2 || 64))
      this.#bigints[at] = value
    } else {
      if (typeof value === 'string' ? this.#type !== 'text' : this.#type !== 'bytes' || !(value instanceof Uint8Array)) this.#refuse(value)
      this.#list.push(typeof value === 'string' ? value : (value as Uint8Array).slice())
    }
  }

  #refuse(value: unknown): never {
    throw new AssertionError(`broken invariant: ${this.#name} is ${this.#type}, not ${String(value)}`)
  }

  /** The column as it stands in the file. The writer is empty afterwards. */
  take(): Uint8Array | readonly unknown[] {
    const type = this.#type
    const count = this.#count
    const list = this.#list
    this.#count = 0
    this.#list = []
    if (type === 'text' || type === 'bytes') return list
    if (type === 'u64') return planesOf(bytesOf(this.#bigints.subarray(0, count)), count, 8)
    const numbers = this.#numbers.subarray(0, count)
    if (type === 'count') return packNumbers(numbers)
    return planesOf(bytesOf(new { u8: Uint8Array, u16: Uint16Array, u32: Uint32Array }[type](numbers)), count, WIDTH[type])
  }
}

function grown<A extends Float64Array | BigUint64Array>(from: A, into: A): A {
  into.set(from as never)
  return into
}

/** The column of `values`. */
export function packColumn(type: FieldType, values: readonly unknown[], name: string): Uint8Array | readonly unknown[] {
  const column = new ColumnWriter(type, name)
  for (const value of values) column.add(value)
  return column.take()
}

/** The values of one column of `count` rows. */
export function unpackColumn(type: FieldType, value: unknown, count: number, where: string): Column {
  if (type === 'text') return asArray(value, where, count).map(entry => asText(entry, where))
  if (type === 'bytes') return asArray(value, where, count).map(entry => asBytes(entry, where))
  if (type === 'count') return refuseNegative(unpackNumbers(value, count, where), where)
  const width = WIDTH[type]
  const { buffer } = valuesOf(asBytes(value, where, count * width), count, width)
  if (type === 'u64') return new BigUint64Array(buffer)
  return type === 'u32' ? new Uint32Array(buffer) : type === 'u16' ? new Uint16Array(buffer) : new Uint8Array(buffer)
}

function refuseNegative(numbers: Float64Array, where: string): Float64Array {
  for (const number of numbers) if (number < 0) throw damaged(where, 'a number is out of range')
  return numbers
}
