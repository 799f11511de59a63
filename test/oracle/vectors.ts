/**
 * NASM's bytes of every instruction of `instructions.ts`, as `nasm.json` keeps them: for each mode one deflated string in which an
 * instruction is a length byte and its bytes, 0 where NASM refuses it, and the number of instructions of each row of the table.
 */

import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { INSTRUCTIONS } from '../../src/isa/table.ts'
import { type Bits, instructionSamples, type Sample, samplesOfRow } from './instructions.ts'
import { nasmText } from './nasm-text.ts'

const FILE = new URL('nasm.json', import.meta.url)

interface StoredMode {
  /** SHA-256 of the lines, so that a change of the table or the generator is noticed. */
  readonly lines: string
  readonly rows: Readonly<Record<string, number>>
  readonly bytes: string
}

export interface StoredVectors {
  readonly nasm: string
  readonly modes: Readonly<Record<Bits, StoredMode>>
}

const hashOf = (samples: readonly Sample[]): string => createHash('sha256').update(samples.map(nasmText).join('\n')).digest('hex')

export function storeVectors(nasm: string, answers: Readonly<Record<Bits, readonly (Uint8Array | undefined)[]>>): void {
  const mode = (bits: Bits): StoredMode => {
    const samples = instructionSamples(bits)
    const rows: Record<string, number> = {}
    for (const { row } of samples) rows[row.mnemonic] = (rows[row.mnemonic] ?? 0) + 1
    const bytes = answers[bits].flatMap(answer => (answer === undefined ? [0] : [answer.length, ...answer]))
    return { lines: hashOf(samples), rows, bytes: deflateRawSync(Uint8Array.from(bytes), { level: 9 }).toString('base64') }
  }
  const stored: StoredVectors = { nasm, modes: { 16: mode(16), 32: mode(32), 64: mode(64) } }
  writeFileSync(FILE, `${JSON.stringify(stored, null, 1)}\n`)
}

export const loadVectors = (): StoredVectors => JSON.parse(readFileSync(FILE, 'utf8')) as StoredVectors

export interface Vector {
  readonly sample: Sample
  /** Undefined where NASM refuses the instruction. */
  readonly bytes: Uint8Array | undefined
}

/** The vectors of the rows that `wanted` takes; throws when the stored ones belong to another table. */
export function vectorsOf(stored: StoredVectors, bits: Bits, wanted: (rowIndex: number) => boolean): Vector[] {
  const { bytes, rows } = stored.modes[bits]
  const data = inflateRawSync(Buffer.from(bytes, 'base64'))
  const vectors: Vector[] = []
  let at = 0
  for (const [rowIndex, row] of INSTRUCTIONS.entries()) {
    const count = rows[row.mnemonic] ?? 0
    const samples = wanted(rowIndex) ? [...samplesOfRow(row, bits)] : undefined
    if (samples !== undefined && samples.length !== count) throw stale(row.mnemonic)
    for (let index = 0; index < count; index++) {
      const length = data[at]!
      if (samples !== undefined) vectors.push({ sample: samples[index]!, bytes: length === 0 ? undefined : data.subarray(at + 1, at + 1 + length) })
      at += 1 + length
    }
  }
  if (at !== data.length) throw stale('another table')
  return vectors
}

const stale = (what: string): Error => new Error(`the vectors are not those of the present table (${what}): run npm run oracle:nasm`)

export const isFresh = (stored: StoredVectors, bits: Bits): boolean => hashOf(instructionSamples(bits)) === stored.modes[bits].lines
