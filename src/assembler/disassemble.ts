/**
 * Bytes to source text that assembles back to the same bytes, by our assembler and by NASM. Each text is tried: what the assembler
 * makes other bytes of (a redundant prefix, the second of two encodings) is written as `db`, with the instruction as a comment.
 *
 * Where a line stands does not change its bytes: targets are labels of lines, or else relative to `$`.
 */

import { decode } from '../isa/decode.ts'
import { formatInstruction } from '../isa/format.ts'
import type { Instruction } from '../isa/instruction.ts'
import { assemble } from './assemble.ts'
import { classify } from './words.ts'

export interface DisassembleOptions {
  readonly bits: 16 | 32 | 64
  /** Where the first byte stands. */
  readonly origin: bigint
  /** Names of addresses inside the bytes and, for comments, outside of them. */
  readonly symbols?: ReadonlyMap<bigint, string>
  /** What a linker will put where, by the place in the bytes: what stands there now is no target. */
  readonly relocations?: ReadonlyMap<number, string>
}

export interface DisassembledLine {
  readonly address: bigint
  readonly bytes: Uint8Array
  /** As the assembler reads it, `$` in front of a name that is a keyword included; null for none. */
  readonly label: string | null
  readonly text: string
  /** What the text does not say: the instruction behind `db`, the target behind `$`. */
  readonly comment: string
}

/** A stretch of the bytes: an instruction, or none. */
interface Piece {
  readonly at: number
  readonly length: number
  readonly instruction: Instruction | null
}

/** `db` of undefined bytes has so many of them at most. */
const BYTES_IN_LINE = 8

export function disassemble(bytes: Uint8Array, options: DisassembleOptions): DisassembledLine[] {
  const pieces = cut(bytes, options.bits)
  const keeps = survivors(bytes, pieces, options.bits)
  const addresses = new Set(pieces.map(({ at }) => at))
  const labels = labelsOf(pieces, addresses, options)
  return joined(pieces, labels).map(piece => lineOf(bytes, piece, keeps, labels, options))
}

/** Instruction after instruction; a byte that begins none stands alone. */
function cut(bytes: Uint8Array, bits: 16 | 32 | 64): Piece[] {
  const pieces: Piece[] = []
  for (let at = 0; at < bytes.length; ) {
    const found = decode(index => bytes[at + index] ?? 0, { bits, stackSize: bits })
    const isWhole = typeof found !== 'string' && at + found.length <= bytes.length
    const piece: Piece = { at, length: isWhole ? found.length : 1, instruction: isWhole ? found : null }
    pieces.push(piece)
    at += piece.length
  }
  return pieces
}

const bare = (instruction: Instruction): string => formatInstruction(instruction, { exact: true })
const hex = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')

/** So many lines are tried at once. */
const BATCH = 20_000

/** The encodings, as hexadecimal, whose text gives them back. */
function survivors(bytes: Uint8Array, pieces: readonly Piece[], bits: 16 | 32 | 64): ReadonlySet<string> {
  const texts = new Map<string, string>()
  for (const { at, length, instruction } of pieces)
    if (instruction !== null && !isNasmsOwn(instruction)) texts.set(hex(bytes.subarray(at, at + length)), bare(instruction))
  const all = [...texts]
  const kept = new Set<string>()
  for (let from = 0; from < all.length; from += BATCH) tryTexts(all.slice(from, from + BATCH), bits, kept)
  return kept
}

/** Before a near branch NASM 2.16 emits the byte of `o16` or `o32`, and a displacement of the mode's own size behind it. */
const isNasmsOwn = (instruction: Instruction): boolean =>
  instruction.dst.kind === 'relative' && /^(?:\w+ )*o(?:16|32) /.test(bare(instruction))

function tryTexts(candidates: readonly (readonly [hex: string, text: string])[], bits: 16 | 32 | 64, kept: Set<string>): void {
  const source = [`bits ${bits}`, ...candidates.map(([, text]) => text)].join('\n')
  const { image, diagnostics } = assemble(source, { file: 'disassembly' })
  if (image === undefined) {
    const wrong = new Set(diagnostics.filter(({ severity }) => severity === 'error').map(({ span }) => span.line - 2))
    return tryTexts(
      candidates.filter((_, index) => !wrong.has(index)),
      bits,
      kept,
    )
  }
  for (const { line, address, length } of image.lines) {
    const candidate = candidates[line - 2]!
    if (hex(image.bytes.subarray(address, address + length)) === candidate[0]) kept.add(candidate[0])
  }
}

/** How far from its own start an instruction points: a branch target or a RIP-relative address. */
function distanceOf({ length, dst, src }: Instruction): { readonly distance: bigint; readonly isBranch: boolean } | undefined {
  if (dst.kind === 'relative') return { distance: dst.value + BigInt(length), isBranch: true }
  const memory = dst.kind === 'memory' ? dst : src
  return memory.kind === 'memory' && memory.base === 'rip' ? { distance: memory.displacement + BigInt(length), isBranch: false } : undefined
}

/** Labels by place: the symbols' names, and made-up ones for what is only jumped to. */
function labelsOf(
  pieces: readonly Piece[],
  starts: ReadonlySet<number>,
  { origin, symbols = new Map(), relocations }: DisassembleOptions,
): ReadonlyMap<number, string> {
  const labels = new Map<number, string>()
  const taken = new Set<string>()
  for (const at of starts) {
    const name = symbols.get(origin + BigInt(at))
    const label = name === undefined ? undefined : asLabel(name)
    if (label === undefined || taken.has(label)) continue
    labels.set(at, label)
    taken.add(label)
  }
  for (const piece of pieces) {
    const { at, instruction } = piece
    const target = instruction === null || relocated(piece, relocations) !== '' ? undefined : distanceOf(instruction)
    const place = target === undefined ? -1 : at + Number(target.distance)
    if (!target?.isBranch || !starts.has(place) || labels.has(place)) continue
    const label = `loc_${(origin + BigInt(place)).toString(16)}`
    if (!taken.has(label)) labels.set(place, label)
  }
  return labels
}

/** The names of what a linker will put into these bytes. */
function relocated({ at, length }: Piece, relocations: DisassembleOptions['relocations']): string {
  if (relocations === undefined) return ''
  return Array.from({ length }, (_, index) => relocations.get(at + index) ?? '')
    .filter(name => name !== '')
    .join(', ')
}

/** A name that NASM reads as one; a keyword with `$` in front; undefined for what cannot be a label. */
function asLabel(name: string): string | undefined {
  if (!/^[A-Za-z_?][\w$#@~.?]*$/.test(name) || name === '?') return undefined
  return classify(name) === 'name' ? name : `$${name}`
}

/** Undefined bytes that follow each other, on one line up to a label. */
function joined(pieces: readonly Piece[], labels: ReadonlyMap<number, string>): Piece[] {
  const lines: Piece[] = []
  for (const piece of pieces) {
    const last = lines.at(-1)
    const joins = last?.instruction === null && piece.instruction === null && last.length < BYTES_IN_LINE && !labels.has(piece.at)
    if (joins) lines[lines.length - 1] = { ...last, length: last.length + 1 }
    else lines.push(piece)
  }
  return lines
}

function lineOf(
  all: Uint8Array,
  piece: Piece,
  keeps: ReadonlySet<string>,
  labels: ReadonlyMap<number, string>,
  { origin, symbols, relocations }: DisassembleOptions,
): DisassembledLine {
  const { at, length, instruction } = piece
  const bytes = all.subarray(at, at + length)
  const address = origin + BigInt(at)
  const line = { address, bytes, label: labels.get(at) ?? null }
  const asBytes = `db ${Array.from(bytes, byte => `0x${byte.toString(16).padStart(2, '0')}`).join(', ')}`
  if (instruction === null) return { ...line, text: asBytes, comment: '' }
  if (!keeps.has(hex(bytes))) return { ...line, text: asBytes, comment: formatInstruction(instruction, { address }) }
  const names = relocated(piece, relocations)
  if (names !== '') return { ...line, text: bare(instruction), comment: `relocated: ${names}` }
  const place = distanceOf(instruction)
  const name = place && labels.get(at + Number(place.distance))
  const text = formatInstruction(instruction, { address, symbol: () => name, exact: true })
  if (place === undefined || name !== undefined) return { ...line, text, comment: '' }
  const target = BigInt.asUintN(64, address + place.distance)
  return { ...line, text, comment: symbols?.get(target) ?? `0x${target.toString(16)}` }
}
