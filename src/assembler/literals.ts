/** The values of numbers and strings, in NASM's many spellings (NASM manual, "Constants"). */

const RADIX_OF_PREFIX: Readonly<Record<string, number>> = { x: 16, h: 16, d: 10, t: 10, o: 8, q: 8, b: 2, y: 2 }
const RADIX_PREFIX: Readonly<Record<number, string>> = { 16: '0x', 8: '0o', 2: '0b', 10: '' }

const PLAIN_DECIMAL = /^\d+$/

/** `0x1F`, `1Fh`, `$0f`, `0b101`, `101b`, `17q`, `99d`, `1_000`; undefined when the digits do not fit the radix. */
export function parseNumber(text: string): bigint | undefined {
  if (PLAIN_DECIMAL.test(text)) return BigInt(text)
  const plain = text.replaceAll('_', '').toLowerCase()
  if (plain.startsWith('$')) return digits(plain.slice(1), 16)
  const prefix = plain.length > 2 && plain.startsWith('0') ? RADIX_OF_PREFIX[plain[1]!] : undefined
  const suffix = RADIX_OF_PREFIX[plain.at(-1)!]
  // A prefix wins where its digits are valid (0b1 is 1); else the suffix decides (0b1h is 0xB1, 0d5h is 0xD5).
  if (prefix !== undefined) {
    const value = digits(plain.slice(2), prefix)
    if (value !== undefined) return value
  }
  if (suffix !== undefined && plain.at(-1) !== 'x') {
    const value = digits(plain.slice(0, -1), suffix)
    if (value !== undefined) return value
  }
  return digits(plain, 10)
}

const DIGITS: Readonly<Record<number, RegExp>> = { 2: /^[01]+$/, 8: /^[0-7]+$/, 10: /^\d+$/, 16: /^[\da-f]+$/ }

const digits = (text: string, radix: number): bigint | undefined =>
  DIGITS[radix]!.test(text) ? BigInt(`${RADIX_PREFIX[radix]}${text}`) : undefined

/** The number that a float token says; NaN when it is none. */
export const parseFloatLiteral = (text: string): number => Number(text.replaceAll('_', ''))

const encoder = new TextEncoder()

const ESCAPES: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  t: 9,
  n: 10,
  v: 11,
  f: 12,
  r: 13,
  e: 27,
  "'": 39,
  '"': 34,
  '`': 96,
  '\\': 92,
  '?': 63,
}

/** The bytes between the quotes: UTF-8; escapes count in back quotes only. */
export function stringBytes(text: string): Uint8Array {
  const inside = text.slice(1, -1)
  if (!text.startsWith('`') || !inside.includes('\\')) return encoder.encode(inside)
  const bytes: number[] = []
  let position = 0
  while (position < inside.length) {
    const escaped = inside[position] === '\\' ? readEscape(inside, position + 1) : undefined
    if (escaped) {
      bytes.push(...escaped.bytes)
      position = escaped.end
    } else {
      const character = String.fromCodePoint(inside.codePointAt(position)!)
      bytes.push(...encoder.encode(character))
      position += character.length
    }
  }
  return Uint8Array.from(bytes)
}

const NUMERIC_ESCAPES: readonly (readonly [pattern: RegExp, radix: number, utf8: boolean])[] = [
  [/^[0-7]{1,3}/, 8, false],
  [/^x[\da-fA-F]{1,2}/, 16, false],
  [/^u[\da-fA-F]{4}/, 16, true],
  [/^U[\da-fA-F]{8}/, 16, true],
]

/** The escape whose letter stands at `at`. */
function readEscape(text: string, at: number): { bytes: Iterable<number>; end: number } | undefined {
  const simple = ESCAPES[text[at]!]
  if (simple !== undefined) return { bytes: [simple], end: at + 1 }
  for (const [pattern, radix, utf8] of NUMERIC_ESCAPES) {
    const match = pattern.exec(text.slice(at, at + 9))
    if (match === null) continue
    const value = Number.parseInt(match[0].replace(/^[xuU]/, ''), radix)
    const bytes = utf8 && value <= 0x10ffff ? encoder.encode(String.fromCodePoint(value)) : [value & 0xff]
    return { bytes, end: at + match[0].length }
  }
  return undefined
}

/** A string used as a number: its first character is the lowest byte. */
export function characterConstant(bytes: Uint8Array): bigint {
  let value = 0n
  for (const [position, byte] of bytes.subarray(0, 8).entries()) value |= BigInt(byte) << BigInt(8 * position)
  return value
}

const decoder = new TextDecoder('utf-8', { fatal: true })

/** The inverse of `stringBytes`, for strings that the preprocessor makes. */
export function quotedBytes(bytes: Uint8Array): string {
  try {
    return quoted(decoder.decode(bytes))
  } catch {
    // No UTF-8: each byte by its number.
    return `\`${Array.from(bytes, byte => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}\``
  }
}

export function quoted(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must be escaped
  const control = /[\x00-\x08\x0a-\x1f\x7f]/g
  if (!control.test(text)) {
    if (!text.includes("'")) return `'${text}'`
    if (!text.includes('"')) return `"${text}"`
  }
  const escaped = text.replaceAll('\\', '\\\\').replaceAll('`', '\\`')
  return `\`${escaped.replace(control, character => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`)}\``
}
