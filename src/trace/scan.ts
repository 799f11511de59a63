/**
 * A look over msgpack bytes before anything is built from them. The codec trusts what it reads: it follows extension types,
 * recurses as deep as the input says and allocates what a length promises. A trace may come from anybody, so these three are
 * refused here, without recursion and without allocating more than one number per open container.
 */

/** Containers may stand this deep inside each other; the writer keeps to it too. */
export const MAX_DEPTH = 16

/** Values of one block: enough for a program of some 100,000 labels, and bounded in memory when every one becomes an object. */
export const MAX_VALUES = 500_000

const STRING = 's'
const OTHER = 'o'

interface Token {
  readonly what: typeof STRING | typeof OTHER | 'array' | 'map'
  /** Bytes of the token and of its text or data; the entries of a container are tokens of their own. */
  readonly bytes: number
  readonly entries: number
}

const scalar = (bytes: number): Token => ({ what: OTHER, bytes, entries: 0 })
const string = (bytes: number): Token => ({ what: STRING, bytes, entries: 0 })
const array = (bytes: number, entries: number): Token => ({ what: 'array', bytes, entries })
const map = (bytes: number, entries: number): Token => ({ what: 'map', bytes, entries })

/** Bytes of the tokens 0xca to 0xd3: floats and integers, behind one byte of type. */
const NUMBER_BYTES = [5, 9, 2, 3, 5, 9, 2, 3, 5, 9] as const

/** The big-endian length of `width` bytes behind the token's first byte; infinite when the bytes are not there. */
function lengthAt(bytes: Uint8Array, at: number, width: 1 | 2 | 4): number {
  if (at + 1 + width > bytes.length) return Number.POSITIVE_INFINITY
  let length = 0
  for (let i = 1; i <= width; i++) length = length * 256 + bytes[at + i]!
  return length
}

/** The token at `at`, or undefined when its type is not one that a trace uses. */
function tokenAt(bytes: Uint8Array, at: number): Token | undefined {
  const type = bytes[at]!
  if (type <= 0x7f || type >= 0xe0 || type === 0xc0 || type === 0xc2 || type === 0xc3) return scalar(1)
  if (type <= 0x8f) return map(1, type & 15)
  if (type <= 0x9f) return array(1, type & 15)
  if (type <= 0xbf) return string(1 + (type & 31))
  if (type >= 0xca && type <= 0xd3) return scalar(NUMBER_BYTES[type - 0xca]!)
  switch (type) {
    case 0xc4:
      return scalar(2 + lengthAt(bytes, at, 1))
    case 0xc5:
      return scalar(3 + lengthAt(bytes, at, 2))
    case 0xc6:
      return scalar(5 + lengthAt(bytes, at, 4))
    case 0xd9:
      return string(2 + lengthAt(bytes, at, 1))
    case 0xda:
      return string(3 + lengthAt(bytes, at, 2))
    case 0xdb:
      return string(5 + lengthAt(bytes, at, 4))
    case 0xdc:
      return array(3, lengthAt(bytes, at, 2))
    case 0xdd:
      return array(5, lengthAt(bytes, at, 4))
    case 0xde:
      return map(3, lengthAt(bytes, at, 2))
    case 0xdf:
      return map(5, lengthAt(bytes, at, 4))
    default:
      return undefined // 0xc1 and every extension type
  }
}

/** Why these bytes must not be unpacked; undefined when they are exactly one value of the kinds that a trace uses. */
export function msgpackProblem(bytes: Uint8Array): string | undefined {
  // Values still to come in each open container; in a map keys and values alternate, so an even rest means a key.
  const rest: number[] = [1]
  const isMap: boolean[] = [false]
  let at = 0
  let values = 0
  while (rest.length > 0) {
    const top = rest.length - 1
    if (rest[top] === 0) {
      rest.pop()
      isMap.pop()
      continue
    }
    if (at >= bytes.length) return 'a value is missing at the end'
    const token = tokenAt(bytes, at)
    if (!token) return `type 0x${bytes[at]!.toString(16)} does not occur in traces`
    if (isMap[top] && rest[top]! % 2 === 0 && token.what !== STRING) return 'a map has a key that is not text'
    if (token.bytes > bytes.length - at) return 'a length goes beyond the block'
    rest[top]!--
    at += token.bytes
    if (++values > MAX_VALUES) return `more than ${MAX_VALUES} values`
    if (token.what === STRING || token.what === OTHER) continue
    // Every entry takes a byte at least.
    if (token.entries > bytes.length - at) return 'a length goes beyond the block'
    if (rest.length > MAX_DEPTH) return `containers nest deeper than ${MAX_DEPTH}`
    rest.push(token.what === 'map' ? token.entries * 2 : token.entries)
    isMap.push(token.what === 'map')
  }
  return at === bytes.length ? undefined : 'bytes are left over behind the value'
}
