/**
 * The code around the guest's next instruction: disassembled from the bytes that stand in memory at that moment, under the source
 * lines that they came from. The image's line table says where instructions begin; where it does not help (a flat binary, code
 * that was written at run time) the code is read forward from the next instruction.
 */

import type { Image } from '../assembler/image.ts'
import { decode } from '../isa/decode.ts'
import { formatInstruction } from '../isa/format.ts'
import type { TimelineView } from './timeline.ts'
import type { GuestRegisters } from './timeline-guest.ts'
import { linearBytes } from './timeline-memory.ts'
import { symbolsOf } from './timeline-symbols.ts'

export type CodeRow =
  | { readonly kind: 'source'; readonly file: string; readonly line: number; readonly text: string }
  | { readonly kind: 'label'; readonly name: string }
  | {
      readonly kind: 'code'
      readonly address: bigint
      readonly bytes: readonly number[]
      readonly text: string
      readonly isCurrent: boolean
    }

type Code = Extract<CodeRow, { kind: 'code' }>

/** Data shows this many bytes in a row. */
const DATA_BYTES = 8

interface Reader {
  readonly rip: bigint
  readonly bits: 16 | 32 | 64
  readonly byteAt: (address: bigint) => number | undefined
  readonly symbol: (address: bigint) => string | undefined
}

/** About `before` and `after` instructions around RIP, with their source lines, or the labels where there are none. */
export function codeAround(view: TimelineView, registers: GuestRegisters, image: Image, before: number, after: number): readonly CodeRow[] {
  const { nameOf, labelsAt } = symbolsOf(image)
  const { rip, bits } = registers
  const reader: Reader = { rip, bits, symbol: nameOf, byteAt: linearBytes(view, registers) }
  const code = [...codeBefore(reader, image, before), ...codeFrom(reader, image, after)]
  const rows: CodeRow[] = []
  let shown: string | undefined
  for (const row of code) {
    const source = sourceOf(image, row.address)
    if (source === undefined) for (const name of labelsAt(row.address)) rows.push({ kind: 'label', name })
    const key = source && `${source.file}:${source.line}`
    if (source && key !== shown) rows.push(source)
    shown = key
    rows.push(row)
  }
  return rows
}

/** The position in the line table of the last line that begins at or before `address`. */
function lineIndex(image: Image, address: number): number {
  let low = 0
  let high = image.lines.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (image.lines[middle]!.address <= address) low = middle + 1
    else high = middle
  }
  return low - 1
}

function sourceOf(image: Image, address: bigint): Extract<CodeRow, { kind: 'source' }> | undefined {
  const line = image.lines[lineIndex(image, Number(address))]
  if (line === undefined || Number(address) >= line.address + line.length) return undefined
  const source = image.sources[line.source]
  if (source === undefined) return undefined
  return { kind: 'source', file: source.file, line: line.line, text: linesOf(source.text)[line.line - 1] ?? '' }
}

const lineCache = new Map<string, readonly string[]>()

/** A source cut into lines, once. */
function linesOf(text: string): readonly string[] {
  const known = lineCache.get(text)
  if (known !== undefined) return known
  const lines = text.split('\n')
  lineCache.set(text, lines)
  return lines
}

/** The instructions that end at RIP. */
function codeBefore(reader: Reader, image: Image, count: number): Code[] {
  const rip = Number(reader.rip)
  const rows: Code[] = []
  let next = rip
  for (let at = lineIndex(image, rip - 1); at >= 0 && rows.length < count; at--) {
    const { address, length } = image.lines[at]!
    if (address + length < next && next - address - length > DATA_BYTES) break // another part of the program
    const piece = stretch(reader, BigInt(address), Math.min(length, next - address))
    rows.unshift(...piece)
    next = address
  }
  return rows.slice(-count)
}

/** Instructions from RIP on; data where the line table says that no instruction fits. */
function codeFrom(reader: Reader, image: Image, count: number): Code[] {
  const rows: Code[] = []
  let address = reader.rip
  while (rows.length < count) {
    const line = image.lines[lineIndex(image, Number(address))]
    const left = line === undefined ? 0 : line.address + line.length - Number(address)
    const piece = left > 0 && address !== reader.rip ? stretch(reader, address, left) : [instructionAt(reader, address)]
    const last = piece.at(-1)
    if (last === undefined || last.bytes.length === 0) break
    rows.push(...piece.slice(0, count - rows.length))
    address = last.address + BigInt(last.bytes.length)
  }
  return rows
}

/** The instructions of `length` bytes; if they do not come out even, the bytes are data. */
function stretch(reader: Reader, start: bigint, length: number): Code[] {
  const rows: Code[] = []
  let used = 0
  while (used < length) {
    const row = instructionAt(reader, start + BigInt(used))
    if (row.bytes.length === 0 || used + row.bytes.length > length || row.text.startsWith('db ')) return [dataAt(reader, start, length)]
    rows.push(row)
    used += row.bytes.length
  }
  return rows
}

function codeRow({ rip }: Reader, address: bigint, bytes: readonly number[], text: string): Code {
  return { kind: 'code', address, bytes, text, isCurrent: address === rip }
}

const hexByte = (byte: number): string => byte.toString(16).padStart(2, '0')

function dataAt(reader: Reader, address: bigint, length: number): Code {
  const bytes = bytesAt(reader, address, length)
  const shown = bytes.slice(0, DATA_BYTES).map(byte => `0x${hexByte(byte)}`)
  return codeRow(reader, address, bytes, `db ${shown.join(', ')}${bytes.length > DATA_BYTES ? `, ... ${bytes.length} bytes` : ''}`)
}

function bytesAt({ byteAt }: Reader, address: bigint, length: number): number[] {
  const bytes: number[] = []
  for (let position = 0; position < length; position++) {
    const byte = byteAt(BigInt.asUintN(64, address + BigInt(position)))
    if (byte === undefined) break
    bytes.push(byte)
  }
  return bytes
}

class Unreadable {}

/** What stands at an address; no bytes where memory is not mapped. */
function instructionAt(reader: Reader, address: bigint): Code {
  const { bits, byteAt, symbol } = reader
  try {
    const instruction = decode(
      index => {
        const byte = byteAt(BigInt.asUintN(64, address + BigInt(index)))
        if (byte === undefined) throw new Unreadable()
        return byte
      },
      { bits, stackSize: bits },
    )
    if (typeof instruction === 'string') return dataAt(reader, address, 1)
    return codeRow(reader, address, bytesAt(reader, address, instruction.length), formatInstruction(instruction, { address, symbol }))
  } catch (thrown) {
    if (!(thrown instanceof Unreadable)) throw thrown
    return codeRow(reader, address, [], 'not mapped')
  }
}
