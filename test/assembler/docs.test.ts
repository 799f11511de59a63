import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { ALL_CLASSES } from '../../src/assembler/warnings.ts'
import { wordsOfType } from '../../src/assembler/words.ts'
import { assembleText, hex } from './assembling.ts'
import { hasNasm, nasm } from './nasm.ts'

const page = readFileSync(new URL('../../docs/assembler.md', import.meta.url), 'utf8')
const examples = [...page.matchAll(/```nasm\n(.*?)```/gs)].map(match => match[1]!)

test.each(examples)('the example of docs/assembler.md assembles without a word: %s', source => {
  const { image, diagnostics } = assembleText(source)
  expect(diagnostics).toEqual([])
  if (hasNasm) expect(hex(image!.bytes)).toBe(hex(nasm(source).bytes))
})

test('docs/assembler.md names every directive that is refused, and every class of warnings', () => {
  const missing = ['cpu', 'float', 'common', 'group', 'import', 'export', 'map', 'list', 'debug', 'required'].filter(
    word => !wordsOfType('refused').includes(word) || !page.includes(word),
  )
  expect(missing).toEqual([])
  for (const name of ALL_CLASSES) expect(page).toContain(name)
})
