/** What the preprocessor hands on: lines of tokens that the grammar can read, each with the macro calls that made it. */

import type { Span, Token } from '../tokens.ts'

/** One call of a multi-line macro. */
export interface Expansion {
  readonly name: string
  readonly arguments: readonly string[]
  readonly definition: Span
  readonly call: Span
  readonly parent: Expansion | null
}

export interface LogicalLine {
  readonly tokens: readonly Token[]
  /** Where the line stands in a source: in a macro's body for what the macro made. */
  readonly source: number
  readonly line: number
  readonly expansion: Expansion | null
  /** How many macros and repetitions it is inside of. */
  readonly depth: number
}
