/**
 * Addresses of an edited program as those of the program before the edit: lines are matched through the source, and a place in a
 * line is the same place in the line that it was. What only the edited program has gets an address that no program has, so that it
 * equals nothing.
 */

import { type Image, type ImageLine, lineAt } from '../assembler/image.ts'
import { align } from './align.ts'

/** Turns an address of one program into the other's. */
export type AddressMap = (address: bigint) => bigint

/** No canonical address has this bit alone. */
const NOWHERE = 1n << 62n

/** A line as it counts: its comment and its blanks do not. */
const significant = (line: string): string => {
  const code = /['"`]/.test(line) ? line : line.replace(/;.*$/, '')
  return code.trim().replace(/\s+/g, ' ')
}

const linesOf = (text: string): string[] => text.split('\n').map(significant)

/** For each line of `b` from 1 the line of `a` that it was; 0 for what is new. */
export function matchLines(a: string, b: string): Uint32Array {
  const numbers = new Map<string, number>()
  const symbols = (lines: readonly string[]): Int32Array =>
    Int32Array.from(lines, line => {
      const known = numbers.get(line) ?? numbers.size
      numbers.set(line, known)
      return known
    })
  const inA = symbols(linesOf(a))
  const inB = symbols(linesOf(b))
  const matched = new Uint32Array(inB.length + 1)
  let x = 0
  let y = 0
  const equal = (to: number): void => {
    while (y < to) matched[++y] = ++x
  }
  for (const { aStart, aEnd, bStart, bEnd } of align(inA, inB, numbers.size)) {
    equal(bStart)
    if (aEnd - aStart === bEnd - bStart) equal(bEnd) // edited in place
    x = aEnd
    y = bEnd
  }
  equal(inB.length)
  return matched
}

const lineKey = (source: number, line: number): string => `${source}:${line}`

/** The pieces of code of each line, in the order of their addresses. */
function piecesOf({ lines }: Image): Map<string, ImageLine[]> {
  const pieces = new Map<string, ImageLine[]>()
  for (const piece of lines) {
    const key = lineKey(piece.source, piece.line)
    const known = pieces.get(key)
    if (known) known.push(piece)
    else pieces.set(key, [piece])
  }
  return pieces
}

/** The first source is the program, whatever it is called; the others are known by their names. */
const sourceIn = ({ sources }: Image, other: Image, index: number): number =>
  index === 0 ? 0 : sources.findIndex(({ file }) => file === other.sources[index]!.file)

/** From addresses of `b` to those of `a`; undefined where nothing needs to be turned, or no source says how. */
export function addressMap(a: Image, b: Image): AddressMap | undefined {
  if (a.lines.length === 0 || b.lines.length === 0) return undefined
  if (a.origin === b.origin && Buffer.compare(a.bytes, b.bytes) === 0) return undefined
  const pieces = piecesOf(a)
  const matches = b.sources.map(({ text }, index) => {
    const source = sourceIn(a, b, index)
    return source < 0 || !a.sources[source] ? undefined : { source, lines: matchLines(a.sources[source].text, text) }
  })
  /** Where each piece of `b` stands in `a`. */
  const starts = new Map<ImageLine, number>()
  for (const [, ofLine] of piecesOf(b)) {
    const { source, line } = ofLine[0]!
    const match = matches[source]
    const theirs = match && pieces.get(lineKey(match.source, match.lines[line] ?? 0))
    if (theirs?.length !== ofLine.length) continue
    for (const [i, piece] of ofLine.entries()) starts.set(piece, theirs[i]!.address)
  }
  return address => {
    const piece = address < 2n ** 48n ? lineAt(b, Number(address)) : undefined
    if (!piece) return address
    const start = starts.get(piece)
    return start === undefined ? address | NOWHERE : BigInt(start) + address - BigInt(piece.address)
  }
}
