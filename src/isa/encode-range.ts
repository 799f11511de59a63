/** Whether values survive in the bytes that an encoding has for them. */

/** Whether the instruction will see the value: as it is or, extended, wrapped to its operand size. */
export function fitsImmediate(value: bigint, count: number, signed: boolean, size: number): boolean {
  if (count === 8) return true
  const bits = BigInt(count * 8)
  if (value >= -(1n << (bits - 1n)) && value < 1n << (signed ? bits - 1n : bits)) return true
  // 0xFFFFFFF0 at 32 bits is what a sign-extended F0 gives.
  return signed && size < 64 && value > 0n && value < 1n << BigInt(size) && value >= (1n << BigInt(size)) - (1n << (bits - 1n))
}

/** Whether the address is the same once the processor has extended it, or wraps around to it. */
export function fitsDisplacement(value: bigint, count: number, addressSize: number): boolean {
  const bits = BigInt(count * 8)
  if (value >= -(1n << (bits - 1n)) && value < 1n << (bits - 1n)) return true
  return count * 8 === addressSize && value > 0n && value < 1n << bits
}
