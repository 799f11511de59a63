import { describe, expect, test } from 'vitest'
import { DIAGNOSTIC_CODES, type DiagnosticCode } from '../../src/assembler/diagnostic-codes.ts'
import { PAGES, renderPage } from '../../src/assembler/explain/pages.ts'
import { ALL_CLASSES, WARNING_CLASSES } from '../../src/assembler/warnings.ts'
import { assembleText } from './assembling.ts'

const codes = Object.keys(DIAGNOSTIC_CODES) as DiagnosticCode[]

/** The one file that the examples include is itself. */
const include = (name: string) => (name === 'self.inc' ? { file: name, text: '%include "self.inc"' } : undefined)

const codesOf = (source: string) => new Set(assembleText(`${source}\n`, { include }).diagnostics.map(({ code }) => code))

describe('the page of', () => {
  test.each(codes)('%s shows a source that gets it, and one that gets nothing', code => {
    const { wrong, right } = PAGES[code]
    if (wrong !== '') expect([...codesOf(wrong)]).toContain(code)
    expect([...codesOf(right)]).toEqual([])
    expect(renderPage(code)).toContain(DIAGNOSTIC_CODES[code])
  })
})

test('every warning has a class, and its page names it', () => {
  expect(codes.filter(code => code.startsWith('W'))).toEqual(Object.values(WARNING_CLASSES).toSorted())
  for (const name of ALL_CLASSES) expect(PAGES[WARNING_CLASSES[name]].about).toContain(`Class ${name}.`)
})
