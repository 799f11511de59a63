/**
 * Wrapping arithmetic on `bigint`. `BigInt.asUintN` is only fast with a literal width, so every width has its own
 * branch here and nobody else calls it with a variable.
 */

export type Size = 8 | 16 | 32 | 64

export const MAX_U64 = 0xffff_ffff_ffff_ffffn

export const u8 = (value: bigint): bigint => BigInt.asUintN(8, value)
export const u16 = (value: bigint): bigint => BigInt.asUintN(16, value)
export const u32 = (value: bigint): bigint => BigInt.asUintN(32, value)
export const u64 = (value: bigint): bigint => BigInt.asUintN(64, value)
export const s64 = (value: bigint): bigint => BigInt.asIntN(64, value)

/** The low `size` bits, as an unsigned value. */
export function unsigned(size: Size, value: bigint): bigint {
  if (size === 64) return BigInt.asUintN(64, value)
  if (size === 32) return BigInt.asUintN(32, value)
  if (size === 16) return BigInt.asUintN(16, value)
  return BigInt.asUintN(8, value)
}

/** The low `size` bits, read as two's complement; the result may be negative. */
export function signed(size: Size, value: bigint): bigint {
  if (size === 64) return BigInt.asIntN(64, value)
  if (size === 32) return BigInt.asIntN(32, value)
  if (size === 16) return BigInt.asIntN(16, value)
  return BigInt.asIntN(8, value)
}

/** Hexadecimal with `0x`, grouped by four digits from the right when it has more than four. */
export function hex(value: bigint | number, digits = 1): string {
  const text = value.toString(16).padStart(digits, '0')
  return `0x${text.replace(/\B(?=(?:[0-9a-f]{4})+$)/g, '_')}`
}

// V8 11 (Node 20) aborts the process when it optimizes a right shift by a constant of a 64-bit value that two branches produce. A
// count that comes out of a table is no constant to it; a test keeps literal shifts of bigints out of the other files.
const COUNTS: readonly bigint[] = Array.from({ length: 64 }, (_, count) => BigInt(count))
const MASKS: readonly bigint[] = Array.from({ length: 65 }, (_, width) => (1n << BigInt(width)) - 1n)

/** `value >> count`, for counts below 64. */
export const shiftRight = (value: bigint, count: number): bigint => value >> COUNTS[count]!

const SMALL: readonly bigint[] = Array.from({ length: 0x1100 }, (_, value) => BigInt(value))

/** `BigInt` of a number that is mostly an offset in a page, or a few bytes: those are made once. */
export const fromNumber = (value: number): bigint => SMALL[value] ?? BigInt(value)

/** `width` bits of `value` from `position` up, as a number (at most 53 bits). */
export const bitField = (value: bigint, position: number, width: number): number => Number((value >> COUNTS[position]!) & MASKS[width]!)

// `Number(value)` makes a heap object and calls the runtime; a store and a load of the same eight bytes do not (8 times faster).
const word = new BigUint64Array(1)
const halves = new Uint32Array(word.buffer)

/** Bits 63:32 of the value, wrapped to 64 bits. */
export function high32(value: bigint): number {
  word[0] = value
  return halves[1]!
}

/** Bits 31:0 of the value, wrapped to 64 bits. */
export function low32(value: bigint): number {
  word[0] = value
  return halves[0]!
}

/** Bits 63:12: which page of 4 KBytes, as a number. */
export function pageNumber(address: bigint): number {
  word[0] = address
  return halves[1]! * 2 ** 20 + (halves[0]! >>> 12)
}
