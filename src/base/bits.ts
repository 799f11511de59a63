/** Questions about single bits of 32-bit control words and of sets of vectors. */

export const bit = (word: number, position: number): boolean => ((word >>> position) & 1) === 1

export const mask = (position: number): number => (1 << position) >>> 0

/** `word` with one bit set or cleared, unsigned. */
export const withBit = (word: number, position: number, value: boolean): number =>
  (value ? word | (1 << position) : word & ~(1 << position)) >>> 0

/** Position of the highest 1 of a 32-bit word, -1 when there is none. */
export const highestBit = (word: number): number => 31 - Math.clz32(word)

export const alignDown = (value: number, alignment: number): number => value - (value % alignment)
export const alignUp = (value: number, alignment: number): number => alignDown(value + alignment - 1, alignment)
