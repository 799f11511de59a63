/** The trees of expressions and locations, and the functions that the grammar makes them with. Places are columns of the text, from 0. */

import type { Token } from 'moo'

/** A number, a quoted text, a name, or a name behind what it belongs to: `msr:0x6e0`, `vmcs.GUEST_RIP`. */
export interface Word {
  readonly kind: 'number' | 'text' | 'name' | 'place'
  readonly text: string
  readonly column: number
}

/** `[address]:bytes`; 8 bytes unless said. */
export interface MemoryNode {
  readonly kind: 'memory'
  readonly address: ValueNode
  readonly bytes: number
  readonly column: number
}

export interface SumNode {
  readonly kind: 'sum'
  readonly left: ValueNode
  readonly sign: '+' | '-'
  readonly right: ValueNode
  readonly column: number
}

export type ValueNode = Word | MemoryNode | SumNode

export type Comparison = '==' | '!=' | '<' | '<=' | '>' | '>=' | '~'

export type ExpressionNode =
  | { readonly kind: 'or' | 'and'; readonly left: ExpressionNode; readonly right: ExpressionNode }
  | { readonly kind: 'not'; readonly of: ExpressionNode }
  | { readonly kind: 'bare'; readonly value: ValueNode }
  | { readonly kind: 'comparison'; readonly left: ValueNode; readonly comparison: Comparison; readonly value: ValueNode }
  | { readonly kind: 'range'; readonly left: ValueNode; readonly from: ValueNode; readonly to: ValueNode }
  | { readonly kind: 'call'; readonly name: Word; readonly values: readonly ValueNode[] }

/** The tokens of a position, by type and text. */
export type PositionNode = readonly { readonly type: string; readonly text: string }[]

/** nearley hands every function an array of what the rule's symbols gave; its type cannot follow the grammar. */
// biome-ignore lint/suspicious/noExplicitAny: the grammar file is the type of this array
type Parts = readonly any[]

const wordOf = (kind: Word['kind'], token: Token): Word => ({ kind, text: token.value, column: token.offset })

export const number = ([token]: Parts): Word => wordOf('number', token)
export const text = ([token]: Parts): Word => wordOf('text', token)
export const name = ([token]: Parts): Word => wordOf('name', token)
export const place = ([token]: Parts): Word => wordOf('place', token)

export const memory = ([from, address, , size]: Parts): MemoryNode => ({
  kind: 'memory',
  address,
  bytes: size === undefined ? 8 : Number(size.value.slice(1)),
  column: from.offset,
})
export const sum = ([left, sign, right]: Parts): SumNode => ({ kind: 'sum', left, sign: sign.value, right, column: left.column })

export const or = ([left, , right]: Parts): ExpressionNode => ({ kind: 'or', left, right })
export const and = ([left, , right]: Parts): ExpressionNode => ({ kind: 'and', left, right })
export const not = ([, of]: Parts): ExpressionNode => ({ kind: 'not', of })
export const inner = ([, node]: Parts): ExpressionNode => node
export const bare = ([value]: Parts): ExpressionNode => ({ kind: 'bare', value })
export const comparison = ([left, sign, value]: Parts): ExpressionNode => ({ kind: 'comparison', left, comparison: sign.value, value })
export const range = ([left, , from, , to]: Parts): ExpressionNode => ({ kind: 'range', left, from, to })
export const call = ([called, , values]: Parts): ExpressionNode => ({ kind: 'call', name: wordOf('name', called), values })

/** A list that could end here and also goes on is two parses at once, so it is not changed in place. */
export const list = ([first]: Parts): readonly ValueNode[] => [first]
export const append = ([values, , next]: Parts): readonly ValueNode[] => [...values, next]

export const position = (tokens: Parts): PositionNode =>
  tokens.map(({ type, text: whole }: Token) => ({ type: type ?? '', text: whole.trimEnd() }))
