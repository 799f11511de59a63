/**
 * Plain values as msgpack, with one spelling each: keys of plain objects sorted, lengths as short as they go, no undefined.
 * So equal recordings are equal bytes. Typed arrays other than bytes become a map with one key, `@u32` and the like, over
 * their little-endian bytes. No extension types, no record structures: any msgpack library reads the result.
 */

import { Packr } from 'msgpackr'
import { assert } from '../base/assert.ts'
import { MAX_DEPTH, msgpackProblem } from './scan.ts'
import { damaged } from './trace-file-error.ts'

/** Numbers, bigints of 64 bits, text, booleans, null, arrays, objects of these, and typed arrays. */
export type PlainObject = Readonly<Record<string, unknown>>

const packr = new Packr({ useRecords: false, mapsAsObjects: true, variableMapSize: true, moreTypes: false })

const TYPED_ARRAYS = {
  '@u16': Uint16Array,
  '@u32': Uint32Array,
  '@i32': Int32Array,
  '@u64': BigUint64Array,
  '@i64': BigInt64Array,
  '@f64': Float64Array,
} as const

// Typed arrays and the columns of events are read and written in place, which is right on little-endian machines only.
assert(new Uint8Array(new Uint16Array([1]).buffer)[0] === 1, 'vtick runs on a little-endian machine')

/** The bytes under any typed array. */
export const bytesOf = (view: ArrayBufferView): Uint8Array => new Uint8Array(view.buffer, view.byteOffset, view.byteLength)

/** Msgpack of a value that is canonical already; a copy, since the codec answers with a view of its own buffer. */
export const packValue = (value: unknown): Uint8Array => new Uint8Array(packr.pack(value))

/** The value in `bytes`, after the look that refuses what could hurt; `where` names the place for the message. */
export function unpackValue(bytes: Uint8Array, where: string): unknown {
  const problem = msgpackProblem(bytes)
  if (problem) throw damaged(where, problem)
  return packr.unpack(bytes)
}

/** Whether every map has its keys in the order that the format asks for. */
function hasSortedKeys(value: unknown): boolean {
  if (Array.isArray(value)) return value.every(hasSortedKeys)
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return true
  const keys = Object.keys(value).filter(key => !/^(?:0|[1-9]\d{0,9})$/.test(key)) // JavaScript puts those in front, ascending
  return keys.every((key, i) => i === 0 || keys[i - 1]! < key) && Object.values(value).every(hasSortedKeys)
}

/** Whether a value is spelt as `packValue` and `canonical` spell it. */
export function isInOneSpelling(bytes: Uint8Array, where: string): boolean {
  const value = unpackValue(bytes, where)
  return hasSortedKeys(value) && Buffer.compare(packr.pack(value), bytes) === 0
}

/** A copy of `value` with sorted keys; refuses what a trace cannot hold and names it by its path. */
export function canonical(value: unknown, path: string, depth = 2): unknown {
  switch (typeof value) {
    case 'boolean':
    case 'string':
    case 'number':
      return value
    case 'bigint':
      assert(value >= -(1n << 63n) && value < 1n << 64n, `${path} fits 64 bits`)
      return value
    case 'object':
      break
    default:
      assert(false, `${path} is plain data, not ${typeof value}`)
  }
  if (value === null || value instanceof Uint8Array) return value
  for (const [tag, ArrayType] of Object.entries(TYPED_ARRAYS)) if (value instanceof ArrayType) return { [tag]: bytesOf(value) }
  assert(depth <= MAX_DEPTH, `${path} nests no deeper than ${MAX_DEPTH}`)
  if (Array.isArray(value)) return value.map((entry, i) => canonical(entry, `${path}[${i}]`, depth + 1))
  return canonicalObject(value, path, depth)
}

function canonicalObject(value: object, path: string, depth: number): PlainObject {
  const prototype = Object.getPrototypeOf(value)
  assert(prototype === Object.prototype || prototype === null, `${path} is a plain object`)
  const sorted: Record<string, unknown> = {}
  for (const key of Object.keys(value).sort()) {
    assert(!key.startsWith('@') && key !== '__proto__', `${path} has no key ${key}`)
    sorted[key] = canonical((value as PlainObject)[key], `${path}.${key}`, depth + 1)
  }
  return sorted
}

/** What `canonical` was made from: typed arrays come back from their tags. */
export function revived(value: unknown, where: string): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  if (Array.isArray(value)) return value.map(entry => revived(entry, where))
  const entries = Object.entries(value)
  const [first] = entries
  if (first?.[0].startsWith('@')) return typedArray(first[0], first[1], where)
  return Object.fromEntries(entries.map(([key, entry]) => [key, revived(entry, where)]))
}

function typedArray(tag: string, bytes: unknown, where: string): ArrayBufferView {
  const ArrayType = Object.hasOwn(TYPED_ARRAYS, tag) ? TYPED_ARRAYS[tag as keyof typeof TYPED_ARRAYS] : undefined
  if (!ArrayType || !(bytes instanceof Uint8Array) || bytes.length % ArrayType.BYTES_PER_ELEMENT !== 0)
    throw damaged(where, `${tag} is not an array`)
  return new ArrayType(bytes.slice().buffer)
}

/** A plain object out of unpacked data. */
export function asObject(value: unknown, where: string): PlainObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array)
    throw damaged(where, 'a map is missing')
  return value as PlainObject
}

/** An array of exactly `length` entries out of unpacked data; any length when none is given. */
export function asArray(value: unknown, where: string, length?: number): readonly unknown[] {
  if (!Array.isArray(value) || (length !== undefined && value.length !== length))
    throw damaged(where, 'a list is missing or has the wrong length')
  return value
}

/** Bytes out of unpacked data, of exactly `length` when one is given. */
export function asBytes(value: unknown, where: string, length?: number): Uint8Array {
  if (!(value instanceof Uint8Array) || (length !== undefined && value.length !== length))
    throw damaged(where, 'bytes are missing or have the wrong length')
  return value
}

/** A whole number from 0 to `limit` out of unpacked data. */
export function asCount(value: unknown, where: string, limit = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > limit)
    throw damaged(where, 'a number is missing or out of range')
  return value
}

export function asText(value: unknown, where: string): string {
  if (typeof value !== 'string') throw damaged(where, 'a text is missing')
  return value
}
