/** NASM's bytes, as stored, of every instruction form in every mode; and what the decoder makes of them. */

import { describe, expect, it } from 'vitest'
import { decode } from '../../src/isa/decode.ts'
import { encode } from '../../src/isa/encode.ts'
import { EQUIVALENTS, NASM_DIFFERENCES } from './differences.ts'
import { nasmText } from './nasm-text.ts'
import { sameInstruction } from './round-trip.ts'
import { isFresh, loadVectors, type Vector, vectorsOf } from './vectors.ts'

const FULL = process.env.VTICK_FULL === '1'
const stored = loadVectors()
/** Of all rows, or of those in a slice. */
const SLICE = 12
const SEED = 5
const wanted = (rowIndex: number): boolean => FULL || rowIndex % SLICE === SEED

const hex = (bytes: ArrayLike<number>): string => Buffer.from(Array.from(bytes)).toString('hex').toUpperCase()
const listed = new Set(NASM_DIFFERENCES.map(({ line }) => line))

function difference({ sample, bytes }: Vector): string[] {
  const answer = encode(sample.row, sample.operands, { bits: sample.bits, address: 0n, prefixes: sample.prefixes })
  const ours = answer.kind === 'encoded' ? hex(answer.bytes) : `refused (${answer.kind})`
  const same = bytes === undefined ? answer.kind !== 'encoded' : ours === hex(bytes)
  const line = `bits ${sample.bits}: ${nasmText(sample)}`
  return same || listed.has(line) ? [] : [`${line}: ${ours}, NASM ${bytes === undefined ? 'refuses it' : hex(bytes)}`]
}

const used = new Set<number>()

function roundTrip({ sample, bytes }: Vector): string[] {
  if (bytes === undefined) return []
  const { bits } = sample
  const got = decode(index => bytes[index] ?? 0, { bits, stackSize: bits })
  if (typeof got !== 'string' && got.length === bytes.length && sameInstruction(sample, got)) return []
  const found = typeof got === 'string' ? got : got.length > bytes.length ? 'too-short' : `${got.row.mnemonic} ${got.form.notation}`
  const reason = EQUIVALENTS.findIndex(({ mnemonic, decodesTo }) => mnemonic === sample.row.mnemonic && decodesTo.test(found))
  if (reason >= 0) used.add(reason)
  return reason >= 0 ? [] : [`bits ${bits}: ${nasmText(sample)} is ${hex(bytes)}, which decodes to ${found}`]
}

const slice = FULL ? 'every row' : `each ${SLICE}th row of the table from ${SEED} on`

describe(`NASM's vectors (${stored.nasm}), ${slice}`, () => {
  it.each([16, 32, 64] as const)('are what the encoder gives in %i-bit code, and it refuses what NASM refuses', bits => {
    expect(vectorsOf(stored, bits, wanted).flatMap(difference)).toEqual([])
  })

  it.each([16, 32, 64] as const)('decode to the instruction that was encoded, in %i-bit code', bits => {
    expect(vectorsOf(stored, bits, wanted).flatMap(roundTrip)).toEqual([])
  })

  it.runIf(FULL)('are more than 50,000, of the present table, and every listed equivalent is one', () => {
    const accepted = ([16, 32, 64] as const).map(bits => vectorsOf(stored, bits, wanted).filter(({ bytes }) => bytes !== undefined).length)
    expect(accepted[0]! + accepted[1]! + accepted[2]!).toBeGreaterThan(50_000)
    expect(([16, 32, 64] as const).filter(bits => !isFresh(stored, bits))).toEqual([])
    expect(EQUIVALENTS.filter((_, index) => !used.has(index)).map(({ mnemonic }) => mnemonic)).toEqual([])
  })
})
