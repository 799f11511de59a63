/** The disassembler's text, assembled again by our assembler and by NASM: the same bytes, for NASM's vectors and for random ones. */

import { describe, expect, it, test } from 'vitest'
import { assemble } from '../../src/assembler/assemble.ts'
import { type DisassembledLine, disassemble } from '../../src/assembler/disassemble.ts'
import { hasNasm, nasm } from '../assembler/nasm.ts'
import { isFull } from '../slice.ts'
import { randomBytes } from './iced-compare.ts'
import type { Bits } from './instructions.ts'
import { loadVectors, vectorsOf } from './vectors.ts'

const MODES = [16, 32, 64] as const
const stored = loadVectors()
const SLICE = 12
const SEED = 7
const RANDOM = isFull ? 20_000 : 500

/** NASM's bytes that are no instruction, and so are written as `db`. */
const NO_INSTRUCTION: readonly { readonly mnemonic: string; readonly reason: string }[] = [
  { mnemonic: 'UD0', reason: 'without operands NASM writes no ModRM byte, which the processor reads' },
  { mnemonic: 'UD1', reason: 'without operands NASM writes no ModRM byte, which the processor reads' },
  { mnemonic: 'SALC', reason: 'NASM lets it pass in 64-bit code, where it is undefined' },
]
const isListed = (mnemonic: string, bytes: Uint8Array, bits: Bits): boolean =>
  NO_INSTRUCTION.some(listed => listed.mnemonic === mnemonic) && (bytes.length === 2 || (mnemonic === 'SALC' && bits === 64))

/** NASM's distinct encodings behind one another. */
function vectorBytes(bits: Bits): { readonly bytes: Uint8Array; readonly count: number } {
  const encodings = new Map<string, Uint8Array>()
  for (const { sample, bytes } of vectorsOf(stored, bits, row => isFull || row % SLICE === SEED))
    if (bytes !== undefined && !isListed(sample.row.mnemonic, bytes, bits)) encodings.set(Buffer.from(bytes).toString('hex'), bytes)
  return { bytes: Uint8Array.from(Buffer.concat([...encodings.values()])), count: encodings.size }
}

const sourceOf = (bits: Bits, lines: readonly DisassembledLine[]): string =>
  [`bits ${bits}`, 'org 0x1000', ...lines.map(({ label, text }) => (label === null ? text : `${label}: ${text}`))].join('\n')

const hex = (bytes: Uint8Array | undefined): string => (bytes === undefined ? 'refused' : Buffer.from(bytes).toString('hex'))

/** Compared as wholes: an expectation on a megabyte of text takes long to print. */
function expectSame(bits: Bits, bytes: Uint8Array, lines: readonly DisassembledLine[]): void {
  const source = sourceOf(bits, lines)
  const { image, diagnostics } = assemble(source, { file: 'disassembly.asm' })
  expect(diagnostics.filter(({ severity }) => severity === 'error').slice(0, 5)).toEqual([])
  expect(hex(image?.bytes) === hex(bytes)).toBe(true)
  if (!hasNasm) return
  const theirs = nasm(source)
  expect([...theirs.errors].slice(0, 5)).toEqual([])
  expect(hex(theirs.bytes) === hex(bytes)).toBe(true)
}

/** NASM writes WAIT's byte before its prefixes, so no text of its gives these bytes. */
test.each(['f39b', 'f29b', 'f3f29b'])('%s is written as `db`, and its instruction behind it', code => {
  const bytes = Uint8Array.from(Buffer.from(code, 'hex'))
  const lines = disassemble(bytes, { bits: 64, origin: 0x1000n })
  expect(lines[0]!.text).toMatch(/^db 0xf[23]/)
  expect(lines[0]!.comment).toMatch(/fwait$/)
  expectSame(64, bytes, lines)
})

test('WAIT stands before its prefixes, as in NASM', () => {
  const source = 'bits 64\nrep fwait\nrepne wait\nes fwait\nfs rep fwait\nlock fwait\nfwait'
  expect(hex(assemble(source, { file: 'wait.asm' }).image?.bytes)).toBe('9bf39bf29b269bf3649bf09b')
  if (hasNasm) expect(hex(nasm(source).bytes)).toBe('9bf39bf29b269bf3649bf09b')
})

const slice = isFull ? 'every row' : `each ${SLICE}th row of the table from ${SEED} on`

describe(`NASM's vectors (${slice})`, () => {
  it.each(MODES)('have texts that our assembler and NASM turn back into their bytes, in %i-bit code', { timeout: 120_000 }, bits => {
    const { bytes, count } = vectorBytes(bits)
    const lines = disassemble(bytes, { bits, origin: 0x1000n })
    expect(lines.filter(({ text }) => text.startsWith('db')).map(line => `${hex(line.bytes)} ${line.comment}`)).toEqual([])
    expect(lines.length).toBe(count)
    expectSame(bits, bytes, lines)
  })
})

describe(`${RANDOM} random strings of 16 bytes, seed 11`, () => {
  it.each(MODES)('survive as texts and `db`, in %i-bit code', { timeout: 120_000 }, bits => {
    const bytes = Uint8Array.from(Buffer.concat([...randomBytes(11 + bits, RANDOM)]))
    const lines = disassemble(bytes, { bits, origin: 0x1000n })
    expect(lines.filter(({ text }) => !text.startsWith('db')).length).toBeGreaterThan(lines.length / 2)
    expectSame(bits, bytes, lines)
  })
})
