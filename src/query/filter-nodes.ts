/** The tree of a filter, and the functions that the grammar makes it with. Places are columns of the text, from 0. */

import type { Token } from 'moo'

export interface FilterValue {
  readonly kind: 'number' | 'text' | 'name'
  readonly text: string
  readonly column: number
}

export type Comparison = '==' | '!=' | '<' | '<=' | '>' | '>=' | '~'

export type FilterNode =
  | { readonly kind: 'or' | 'and'; readonly left: FilterNode; readonly right: FilterNode }
  | { readonly kind: 'not'; readonly of: FilterNode }
  | { readonly kind: 'kind'; readonly name: FilterValue }
  | { readonly kind: 'comparison'; readonly field: FilterValue; readonly comparison: Comparison; readonly value: FilterValue }
  | { readonly kind: 'range'; readonly field: FilterValue; readonly from: FilterValue; readonly to: FilterValue }
  | { readonly kind: 'call'; readonly name: FilterValue; readonly values: readonly FilterValue[] }

/** nearley hands every function an array of what the rule's symbols gave; its type cannot follow the grammar. */
// biome-ignore lint/suspicious/noExplicitAny: the grammar file is the type of this array
type Parts = readonly any[]

const nodeOf = (kind: FilterValue['kind'], token: Token): FilterValue => ({ kind, text: token.value, column: token.offset })

export const number = ([token]: Parts): FilterValue => nodeOf('number', token)
export const text = ([token]: Parts): FilterValue => nodeOf('text', token)
export const name = ([token]: Parts): FilterValue => nodeOf('name', token)

export const or = ([left, , right]: Parts): FilterNode => ({ kind: 'or', left, right })
export const and = ([left, , right]: Parts): FilterNode => ({ kind: 'and', left, right })
export const not = ([, of]: Parts): FilterNode => ({ kind: 'not', of })
export const inner = ([, node]: Parts): FilterNode => node
export const kind = (tokens: Parts): FilterNode => ({ kind: 'kind', name: name(tokens) })

export const comparison = ([field, sign, value]: Parts): FilterNode => ({
  kind: 'comparison',
  field: nodeOf('name', field),
  comparison: sign.value,
  value,
})

export const range = ([field, , from, , to]: Parts): FilterNode => ({ kind: 'range', field: nodeOf('name', field), from, to })

export const call = ([called, , values]: Parts): FilterNode => ({ kind: 'call', name: nodeOf('name', called), values })

/** A list that could end here and also goes on is two parses at once, so it is not changed in place. */
export const list = ([first]: Parts): readonly FilterValue[] => [first]
export const append = ([values, , next]: Parts): readonly FilterValue[] => [...values, next]
