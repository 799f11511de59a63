/** Our decoder beside iced-x86 on random bytes: both find them undefined, or both read the same instruction of the same length. */

import { describe, expect, it } from 'vitest'
import { formatInstruction } from '../../src/isa/format.ts'
import { IcedReader, readWithOurs } from './iced.ts'
import { compareReadings, randomBytes } from './iced-compare.ts'
import { ICED_EXCEPTIONS } from './iced-exceptions.ts'

const FULL = process.env.VTICK_FULL === '1'
const COUNT = FULL ? 1_000_000 : 20_000
const SEED = 3

const used = new Set<string>()

function differencesOf(bits: 16 | 32 | 64): string[] {
  const iced = new IcedReader(bits)
  const differences: string[] = []
  for (const bytes of randomBytes(SEED + bits, COUNT)) {
    const ours = readWithOurs(bytes, bits)
    const theirs = iced.read(bytes)
    const result = compareReadings(bytes, bits, ours, theirs)
    if (result?.kind === 'listed') used.add(result.name)
    if (result?.kind === 'difference') differences.push(`${Buffer.from(bytes).toString('hex')}: ${result.text}`)
    // The disassembler has a text for everything that decodes.
    if (ours.instruction !== null && !/^[a-z]/.test(formatInstruction(ours.instruction))) differences.push(`no text for ${ours.mnemonic}`)
  }
  return differences
}

describe(`${COUNT} random byte strings with seed ${SEED}`, () => {
  it.each([16, 32, 64] as const)('are the same to iced-x86, in %i-bit code', { timeout: 600_000 }, bits => {
    expect(differencesOf(bits)).toEqual([])
  })

  it.runIf(FULL)('show every exception that is listed', () => {
    expect(ICED_EXCEPTIONS.filter(({ name }) => !used.has(name)).map(({ name }) => name)).toEqual([])
  })
})
