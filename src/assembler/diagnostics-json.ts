/** Diagnostics as data, for editors and scripts: what the text shows, with the same positions (lines and columns from 1). */

import { DIAGNOSTIC_CODES } from './diagnostic-codes.ts'
import type { Diagnostic } from './diagnostics.ts'
import type { ImageSource } from './image.ts'
import type { Span } from './tokens.ts'

export const DIAGNOSTICS_VERSION = 1

export interface JsonPlace {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly length: number
}

export interface DiagnosticsJson {
  readonly version: typeof DIAGNOSTICS_VERSION
  readonly errors: number
  readonly warnings: number
  readonly diagnostics: readonly (JsonPlace & {
    readonly severity: 'error' | 'warning'
    readonly code: string
    readonly title: string
    readonly message: string
    readonly hint: string
    readonly help: readonly string[]
    readonly also: readonly JsonPlace[]
    readonly related: readonly (JsonPlace & { readonly text: string })[]
    /** Macro calls, deepest first. */
    readonly calls: readonly {
      readonly name: string
      readonly arguments: readonly string[]
      readonly definition: JsonPlace
      readonly call: JsonPlace
      readonly expansion: string
    }[]
  })[]
}

export function diagnosticsJson(diagnostics: readonly Diagnostic[], sources: readonly ImageSource[]): DiagnosticsJson {
  const place = ({ source, line, column, length }: Span): JsonPlace => ({
    file: sources[source]?.file ?? '',
    line,
    column: column + 1,
    length,
  })
  return {
    version: DIAGNOSTICS_VERSION,
    errors: diagnostics.filter(({ severity }) => severity === 'error').length,
    warnings: diagnostics.filter(({ severity }) => severity === 'warning').length,
    diagnostics: diagnostics.map(({ severity, code, message, span, also, hint, help, related, calls }) => ({
      severity,
      code,
      title: DIAGNOSTIC_CODES[code],
      message,
      ...place(span),
      hint,
      help,
      also: also.map(place),
      related: related.map(entry => ({ ...place(entry.span), text: entry.text })),
      calls: calls.map(({ name, arguments: values, definition, call, expansion }) => ({
        name,
        arguments: values,
        definition: place(definition),
        call: place(call),
        expansion,
      })),
    })),
  }
}
