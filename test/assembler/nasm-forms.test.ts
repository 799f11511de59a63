import { describe, expect, test } from 'vitest'
import { INSTRUCTIONS } from '../../src/isa/table.ts'
import { slice } from '../slice.ts'
import { assembleText, hex } from './assembling.ts'
import { formLines } from './form-lines.ts'
import { hasNasm, nasm } from './nasm.ts'

/** NASM's bytes of each line, undefined where it refuses; it finds some errors only once others are gone. */
function nasmBytes(lines: readonly string[], bits: number): (string | undefined)[] {
  const refused = new Set<number>()
  for (;;) {
    const result = nasm(`bits ${bits}\n${lines.map((line, index) => (refused.has(index) ? '' : line)).join('\n')}\n`)
    if (result.bytes !== undefined) return lines.map((_, index) => (refused.has(index) ? undefined : result.lines.get(index + 2)))
    for (const line of result.errors.keys()) refused.add(line - 2)
  }
}

describe.skipIf(!hasNasm)('every form of the instruction table', () => {
  test.each([16, 32, 64] as const)('gets NASM’s bytes in %i-bit code, and is refused where NASM refuses it', bits => {
    const all = INSTRUCTIONS.flatMap(row => formLines(row, bits))
    expect(all.length).toBeGreaterThan(5000)
    const lines = slice(all, 1500)
    const expected = nasmBytes(lines, bits)
    const differences: string[] = []
    for (const [index, line] of lines.entries()) {
      // Distances from `$` do not depend on what stands before.
      const { image } = assembleText(`bits ${bits}\n${line}\n`)
      const actual = image && hex(image.bytes)
      if (actual !== expected[index]) differences.push(`${line}: ${actual ?? 'refused'}, NASM ${expected[index] ?? 'refuses'}`)
    }
    expect(differences).toEqual([])
  })
})
