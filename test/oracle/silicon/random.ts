/** Numbers that a seed decides: the inputs of the silicon cases are made anew from it, so nothing here may ever change its values. */

export interface Random {
  /** 32 random bits. */
  word(): number
  /** 0 .. n-1. */
  below(n: number): number
  /** True in about `percent` of a hundred calls. */
  chance(percent: number): boolean
  pick<T>(items: readonly T[]): T
  /** 64 random bits. */
  quad(): bigint
  /** A multiple of four bytes. */
  bytes(count: number): Uint8Array
}

/** FNV-1a over the characters of a text. */
function hash(text: string): number {
  let value = 0x811c_9dc5
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 0x0100_0193)
  return value >>> 0
}

/** Marsaglia's xorshift of 128 bits, started from a text. */
export function randomFrom(text: string): Random {
  let [a, b, c, d] = [hash(text), hash(`${text}/1`), hash(`${text}/2`), hash(`${text}/3`) | 1] as [number, number, number, number]
  const word = (): number => {
    const t = a ^ (a << 11)
    a = b
    b = c
    c = d
    d = (d ^ (d >>> 19) ^ t ^ (t >>> 8)) | 0
    return d >>> 0
  }
  for (let turn = 0; turn < 8; turn++) word()
  const below = (n: number): number => word() % n
  return {
    word,
    below,
    chance: percent => below(100) < percent,
    pick: items => items[below(items.length)]!,
    quad: () => (BigInt(word()) << 32n) | BigInt(word()),
    bytes: count => {
      const bytes = new Uint8Array(count)
      const words = new Uint32Array(bytes.buffer, 0, count >>> 2)
      for (let index = 0; index < words.length; index++) words[index] = word()
      return bytes
    },
  }
}
