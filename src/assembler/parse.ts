/**
 * One logical line to its syntax tree. nearley sees token types only, so a tree (or a failure) belongs to a sequence of types:
 * it is kept and given to every line of the same shape. A program of 20,000 lines has a few hundred shapes.
 */

import nearley from 'nearley'
import type { Expression, LineNode } from './ast.ts'
import compiled from './grammar.ts'
import { finishLine } from './nodes.ts'
import { loadShape, shapeTypeAt } from './shape-lexer.ts'
import type { Token, TokenType } from './tokens.ts'

export interface SyntaxFailure {
  readonly kind: 'failure'
  readonly reason: 'unexpected' | 'incomplete' | 'too-deep' | 'too-long'
  /** Position of the token that does not fit; one past the last when the line ends too early. */
  readonly at: number
  /** Types of token that would have fitted there. */
  readonly expected: ReadonlySet<string>
}

export type Parsed<Tree> = { readonly kind: 'tree'; readonly tree: Tree } | SyntaxFailure

/** Parentheses and unary operators nest this deep at most: what walks a tree may recurse. */
const MAX_DEPTH = 100
/** More tokens than any line needs; nearley takes some microseconds for each. */
const MAX_TOKENS = 20_000
/** The kept shapes are forgotten together when they grow beyond this many tokens. */
const MAX_KEPT_TOKENS = 500_000

type Start = 'line' | 'expression'

/** A pure memory of what nearley answered; it holds no source text. */
const kept = { line: new Map<string, Parsed<unknown>>(), expression: new Map<string, Parsed<unknown>>(), tokens: 0 }
const grammars = {
  line: nearley.Grammar.fromCompiled(compiled as unknown as nearley.CompiledRules),
  expression: nearley.Grammar.fromCompiled({ ...compiled, ParserStart: 'expression' } as unknown as nearley.CompiledRules),
}

export const parseLine = (tokens: readonly Token[]): Parsed<LineNode> => parse(tokens, 'line') as Parsed<LineNode>

/** An expression of the preprocessor. */
export const parseExpression = (tokens: readonly Token[]): Parsed<Expression> => parse(tokens, 'expression') as Parsed<Expression>

/** How many parses nearley finds: 1, or the grammar is wrong. */
export function countParses(tokens: readonly Token[]): number {
  const parser = feed(
    tokens.map((_, position) => shapeTypeAt(tokens, position)),
    'line',
  )
  return parser.results?.length ?? 0
}

function parse(tokens: readonly Token[], start: Start): Parsed<unknown> {
  if (tokens.length > MAX_TOKENS) return failure('too-long', MAX_TOKENS)
  const types: TokenType[] = []
  for (let position = 0; position < tokens.length; position++) types.push(shapeTypeAt(tokens, position))
  const key = types.join(' ')
  const shapes = kept[start]
  const known = shapes.get(key)
  if (known !== undefined) return known
  if (kept.tokens > MAX_KEPT_TOKENS) {
    kept.line.clear()
    kept.expression.clear()
    kept.tokens = 0
  }
  const answer = parseShape(types, start)
  shapes.set(key, answer)
  kept.tokens += types.length
  return answer
}

function parseShape(types: readonly TokenType[], start: Start): Parsed<unknown> {
  const deep = tooDeepAt(types)
  if (deep !== -1) return failure('too-deep', deep)
  const parser = feed(types, start)
  const results = parser.results
  if (results !== undefined && results.length > 0)
    return { kind: 'tree', tree: start === 'line' ? finishLine(results[0] as LineNode) : results[0] }
  const table = tableOf(parser)
  const reason = table.current < types.length ? 'unexpected' : 'incomplete'
  return { kind: 'failure', reason, at: table.current, expected: expectedIn(table) }
}

const failure = (reason: SyntaxFailure['reason'], at: number): SyntaxFailure => ({ kind: 'failure', reason, at, expected: new Set() })

/** Where brackets or unary operators pass MAX_DEPTH; -1 when they do not. */
function tooDeepAt(types: readonly TokenType[]): number {
  let open = 0
  let unary = 0
  let choices = 0
  for (const [position, type] of types.entries()) {
    if (type === '(' || type === '[') open++
    else if (type === ')' || type === ']') open--
    unary = type === '-' || type === '+' || type === '~' || type === '!' || type === 'seg' ? unary + 1 : 0
    // A `?` behind a word or a comma is a value of a data line.
    const before = types[position - 1]
    if (type === '?' && before !== ',' && before !== 'data') choices++
    if (open > MAX_DEPTH || unary > MAX_DEPTH || choices > MAX_DEPTH) return position
  }
  return -1
}

/** What nearley keeps and its types do not tell. */
interface ParserTable {
  readonly current: number
  readonly table: readonly {
    readonly scannable: readonly { readonly dot: number; readonly rule: { readonly symbols: readonly unknown[] } }[]
  }[]
}

const tableOf = (parser: nearley.Parser): ParserTable => parser as unknown as ParserTable

function feed(types: readonly TokenType[], start: Start): nearley.Parser {
  const parser = new nearley.Parser(grammars[start])
  // nearley would write a page about every error, at a cost that grows with the line; `syntax-errors.ts` says it in a sentence.
  Object.assign(parser, { reportError: () => 'unexpected token' })
  loadShape(types)
  try {
    parser.feed('')
  } catch (thrown) {
    if (!(thrown instanceof Error && thrown.message === 'unexpected token')) throw thrown
  }
  return parser
}

function expectedIn({ table, current }: ParserTable): ReadonlySet<string> {
  const expected = new Set<string>()
  for (const state of table[current]?.scannable ?? []) {
    const symbol = state.rule.symbols[state.dot] as { type?: string; literal?: string }
    expected.add(symbol.type ?? symbol.literal ?? '')
  }
  return expected
}
