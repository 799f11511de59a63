/** What the assembler makes and everything else reads: bytes at an address, with the names and source lines behind them. */

export interface ImageSymbol {
  readonly name: string
  readonly value: bigint
  /** 'label' has an address in the image, 'constant' is an EQU. */
  readonly kind: 'label' | 'constant'
  /** Index into `sources`. */
  readonly source: number
  /** From 1. */
  readonly line: number
}

/** The bytes [address, address + length) come from one source line. */
export interface ImageLine {
  readonly address: number
  readonly length: number
  readonly source: number
  readonly line: number
}

export interface ImageSource {
  /** As the user named it, or relative to the include directory; never an absolute path. */
  readonly file: string
  readonly text: string
}

export interface Image {
  readonly origin: number
  readonly entry: number
  readonly bytes: Uint8Array
  /** The mode its first instruction was assembled for. */
  readonly bits: 16 | 32 | 64
  /** Whether a BITS directive said so; without one the code is 16-bit, as NASM's, and `run` warns. */
  readonly bitsStated: boolean
  readonly symbols: readonly ImageSymbol[]
  /** In address order, not overlapping. */
  readonly lines: readonly ImageLine[]
  readonly sources: readonly ImageSource[]
}

/** An image of bare bytes: a flat binary made by another assembler. */
export const flatImage = (bytes: Uint8Array, origin: number, bits: 16 | 32 | 64): Image => ({
  origin,
  entry: origin,
  bytes,
  bits,
  bitsStated: true,
  symbols: [],
  lines: [],
  sources: [],
})

/** The source line that the byte at `address` came from. */
export function lineAt(image: Image, address: number): ImageLine | undefined {
  let low = 0
  let high = image.lines.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (image.lines[middle]!.address <= address) low = middle + 1
    else high = middle
  }
  const line = image.lines[low - 1]
  return line && address < line.address + line.length ? line : undefined
}
