/** Texts of the one grammar to their trees, from three starts: an expression, a value (a location or an address), a position. */

import nearley from 'nearley'
import compiled from './expression-grammar.ts'
import type { ExpressionNode, PositionNode, ValueNode } from './expression-nodes.ts'
import { FilterError } from './filter-fields.ts'

/** Longer texts are nobody's expression; nearley takes some microseconds for each token. */
const MAX_LENGTH = 10_000

const startingAt = (start: string): nearley.Grammar =>
  nearley.Grammar.fromCompiled({ ...compiled, ParserStart: start } as unknown as nearley.CompiledRules)

const GRAMMARS = { expression: startingAt('expression'), value: startingAt('value'), position: startingAt('position') }
type Start = keyof typeof GRAMMARS

interface SyntaxTrouble {
  readonly token?: { readonly text: string; readonly offset: number }
}

/** Every way to read a text: one, or none where it ends too early. */
function readings(start: Start, text: string): readonly unknown[] {
  const parser = new nearley.Parser(GRAMMARS[start])
  parser.feed(text)
  return parser.results
}

function treeOf(start: 'expression' | 'value', text: string): unknown {
  if (text.length > MAX_LENGTH) throw new FilterError(MAX_LENGTH, `an expression has at most ${MAX_LENGTH} characters`)
  let trees: readonly unknown[]
  try {
    trees = readings(start, text)
  } catch (error) {
    const { token } = error as SyntaxTrouble
    if (token === undefined) throw error
    const help = token.text === '=' ? 'to compare, write `==`' : 'as in `exit and reason == MSR_WRITE`'
    throw new FilterError(token.offset, `\`${token.text.trim()}\` does not fit here`, help)
  }
  if (trees[0] !== undefined) return trees[0]
  throw new FilterError(text.length, text === '' ? 'the expression is empty' : 'the expression ends too early', 'as in `irq(0xec)`')
}

/** What `make` makes of the tree of a text. Columns of a `FilterError` are those of the text, white space in front included. */
function reading<Tree, T>(start: 'expression' | 'value', text: string, make: (tree: Tree) => T): T {
  try {
    return make(treeOf(start, text.trim()) as Tree)
  } catch (error) {
    if (!(error instanceof FilterError)) throw error
    throw new FilterError(error.column + text.length - text.trimStart().length, error.message, error.help)
  }
}

export const readExpression = <T>(text: string, make: (tree: ExpressionNode) => T): T => reading('expression', text, make)
export const readValue = <T>(text: string, make: (tree: ValueNode) => T): T => reading('value', text, make)

/** Undefined: the text is no position. */
export function parsePositionTree(text: string): PositionNode | undefined {
  if (text.length > MAX_LENGTH) return undefined
  try {
    return readings('position', text.trim())[0] as PositionNode | undefined
  } catch (error) {
    if ((error as SyntaxTrouble).token === undefined) throw error
    return undefined
  }
}

/** How many ways there are to read an expression: 1, or the grammar is wrong. */
export const countReadings = (text: string): number => readings('expression', text).length
