/** Feeds nearley with the tokens of a line, as bare types and positions. */

import type { Token, TokenType } from './tokens.ts'
import { STATEMENT_WORDS } from './words.ts'

/** A token as the grammar sees it. `text` is what its literals are compared with. */
export interface ShapeToken {
  readonly type: string
  readonly text: string
  /** Position in the line. */
  readonly value: number
}

/** Whether a statement may begin at this position: at the start, behind a label, behind the bracket of `[bits 64]`. */
function mayBeginStatement(tokens: readonly Token[], position: number): boolean {
  if (position === 0) return true
  const before = tokens[position - 1]!.type
  if (position === 1) return before === 'name' || before === '[' || before === 'times'
  return position === 2 && before === ':'
}

/** The type that counts for the grammar: a directive's word is a name where no statement can begin. */
export function shapeTypeAt(tokens: readonly Token[], position: number): TokenType {
  const { type } = tokens[position]!
  if (!STATEMENT_WORDS.has(type)) return type
  if (mayBeginStatement(tokens, position)) {
    // `org:` is a label.
    return position === 0 && tokens[1]?.type === ':' ? 'name' : type
  }
  return type === 'align' && tokens[0]!.type === 'section' ? type : 'name'
}

let queue: readonly ShapeToken[] = []
let next = 0

/** nearley's lexer interface over a queue that is set for one parse. */
export const shapeLexer = {
  reset(): void {
    next = 0
  },
  next: (): ShapeToken | undefined => queue[next++],
  save: (): undefined => undefined,
  formatError: (): string => '',
  has: (_name: string): true => true,
}

export function loadShape(types: readonly TokenType[]): void {
  queue = types.map((type, value) => ({ type, text: type, value }))
}
