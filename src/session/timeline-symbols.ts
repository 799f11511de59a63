/** Names of addresses, from the image that a trace carries. */

import type { Image, ImageSymbol } from '../assembler/image.ts'

export interface Symbols {
  /** `tick.wait+0x4` for an address inside the image, undefined elsewhere. */
  readonly nameOf: (address: bigint) => string | undefined
  /** The labels that stand exactly there. */
  readonly labelsAt: (address: bigint) => readonly string[]
}

const known = new WeakMap<Image, Symbols>()

export function symbolsOf(image: Image): Symbols {
  const symbols = known.get(image) ?? makeSymbols(image)
  known.set(image, symbols)
  return symbols
}

/** Names that the preprocessor made for a macro's own labels; people did not write them. */
const isWritten = ({ name }: ImageSymbol): boolean => !name.startsWith('..@')

function makeSymbols({ symbols, origin, bytes }: Image): Symbols {
  const labels = symbols
    .filter(symbol => symbol.kind === 'label' && isWritten(symbol))
    .sort((a, b) => (a.value < b.value ? -1 : a.value > b.value ? 1 : 0))
  const end = BigInt(origin + bytes.length)
  const at = new Map<bigint, string[]>()
  for (const { name, value } of labels) at.set(value, [...(at.get(value) ?? []), name])
  /** The last label at or before an address. */
  const before = (address: bigint): ImageSymbol | undefined => {
    let low = 0
    let high = labels.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (labels[middle]!.value <= address) low = middle + 1
      else high = middle
    }
    return labels[low - 1]
  }
  return {
    labelsAt: address => at.get(address) ?? [],
    nameOf: address => {
      if (address < BigInt(origin) || address >= end) return undefined
      const exact = at.get(address)?.[0]
      if (exact !== undefined) return exact
      const label = before(address)
      return label && `${label.name}+0x${(address - label.value).toString(16)}`
    },
  }
}
