/** `vtick explain E0203`: a page for every code. */

import { DIAGNOSTIC_CODES, type DiagnosticCode } from '../diagnostic-codes.ts'
import { EXPRESSIONS_AND_MACROS } from './expressions-and-macros.ts'
import { LAYOUT_AND_WARNINGS } from './layout-and-warnings.ts'
import type { Page } from './page.ts'
import { TEXT_AND_OPERANDS } from './text-and-operands.ts'

export const PAGES = { ...TEXT_AND_OPERANDS, ...EXPRESSIONS_AND_MACROS, ...LAYOUT_AND_WARNINGS } satisfies Record<DiagnosticCode, Page>

const indented = (source: string): string =>
  source
    .split('\n')
    .map(line => `    ${line}`)
    .join('\n')

/** The page as text. */
export function renderPage(code: DiagnosticCode): string {
  const { about, wrong, right } = PAGES[code]
  const head = `${code}: ${DIAGNOSTIC_CODES[code]}\n\n${about}\n`
  // A page whose example would be too long to read has none.
  return wrong === '' || wrong.length > 200
    ? head
    : `${head}\nThis gets it:\n\n${indented(wrong)}\n\nThis does not:\n\n${indented(right)}\n`
}
