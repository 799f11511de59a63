/**
 * What the assembler has to say about a source: values with a place, a code and words, collected while it works, sorted once
 * and printed once (`render-diagnostics.ts`). A wrong source never throws.
 */

import type { DiagnosticCode } from './diagnostic-codes.ts'
import type { Span } from './tokens.ts'

export interface Diagnostic {
  readonly severity: 'error' | 'warning'
  readonly code: DiagnosticCode
  readonly message: string
  readonly span: Span
  /** Other places of the same line that belong to it. */
  readonly also: readonly Span[]
  /** Said right behind the underline. */
  readonly hint: string
  /** A way out, each a sentence. */
  readonly help: readonly string[]
  readonly related: readonly RelatedPlace[]
  /** The macro calls that led here, deepest first. */
  readonly calls: readonly MacroCall[]
}

export interface RelatedPlace {
  readonly span: Span
  readonly text: string
}

export interface MacroCall {
  readonly name: string
  readonly arguments: readonly string[]
  readonly definition: Span
  readonly call: Span
  /** The line that it expanded to, as far as it matters here. */
  readonly expansion: string
}

export interface DiagnosticNotes {
  readonly severity?: 'error' | 'warning'
  readonly also?: readonly Span[]
  readonly hint?: string
  readonly help?: readonly string[]
  readonly related?: readonly RelatedPlace[]
  readonly calls?: readonly MacroCall[]
}

export const diagnostic = (code: DiagnosticCode, message: string, span: Span, notes: DiagnosticNotes = {}): Diagnostic => ({
  severity: notes.severity ?? (code.startsWith('W') ? 'warning' : 'error'),
  code,
  message,
  span: { source: span.source, line: span.line, column: span.column, length: span.length },
  also: notes.also ?? [],
  hint: notes.hint ?? '',
  help: notes.help ?? [],
  related: notes.related ?? [],
  calls: notes.calls ?? [],
})

const position = (a: Diagnostic): readonly number[] => [a.span.source, a.span.line, a.span.column]

/** In the order of the sources, each place and message once. */
export function sorted(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  const ordered = diagnostics.toSorted((a, b) => {
    const [left, right] = [position(a), position(b)]
    const at = left.findIndex((value, index) => value !== right[index])
    return at === -1 ? 0 : left[at]! - right[at]!
  })
  const seen = new Set<string>()
  return ordered.filter(entry => {
    const key = `${position(entry).join(':')} ${entry.code} ${entry.message} ${entry.calls.map(call => `${call.call.source}:${call.call.line}`).join()}`
    return !seen.has(key) && seen.add(key)
  })
}
