/**
 * The smallest pieces of a source text and where they stand. Everything later (macro expansion, syntax tree, diagnostics,
 * listing) points at tokens, so that one position serves all.
 *
 * The grammar sees only a token's type, never its text: a line's syntax tree is therefore a function of its token types
 * alone, and lines of one shape share it (`parse.ts`).
 */

import { classify } from './words.ts'

/** Words with a meaning of their own, then literals, then punctuation (whose type is its text). */
export const WORD_TYPES = [
  'name',
  'mnemonic',
  'register',
  'segment',
  'prefix',
  'size',
  'strict',
  'distance',
  'relative',
  'nosplit',
  'times',
  'equ',
  'data',
  'reserve',
  'incbin',
  'bits',
  'org',
  'addressing',
  'align',
  'section',
  'global',
  'extern',
  'absolute',
  'struc',
  'endstruc',
  'istruc',
  'at',
  'iend',
  'refused',
  'seg',
  'wrt',
  'dup',
] as const

export const LITERAL_TYPES = ['number', 'float', 'string', 'here', 'start', 'preprocessor', 'unterminated', 'bad'] as const

export const PUNCTUATION = [
  ...['<=>', '<<<', '>>>', '<<', '>>', '<=', '>=', '<>', '==', '!=', '&&', '||', '^^', '//', '%%'],
  ...['+', '-', '*', '/', '%', '&', '|', '^', '~', '!', '<', '>', '=', '(', ')', '[', ']', '{', '}', ',', ':', '?'],
] as const

export type WordType = (typeof WORD_TYPES)[number]
export type TokenType = WordType | (typeof LITERAL_TYPES)[number] | (typeof PUNCTUATION)[number]

/** A stretch of one source line. */
export interface Span {
  /** Index into the sources of the assembly. */
  readonly source: number
  /** From 1. */
  readonly line: number
  /** From 0, in UTF-16 units. */
  readonly column: number
  readonly length: number
}

/** A token's text may differ from what stands at its span: what a %define puts in stands where its name stood. */
export interface Token extends Span {
  readonly type: TokenType
  readonly text: string
  /** White space before it, which decides how macros glue tokens together. */
  readonly space: boolean
  /** The single-line macro that it came from, as "name, defined at file:line" can be told; null when it was written here. */
  readonly via: Via | null
}

export interface Via {
  readonly name: string
  /** Where the %define stands; null for one given on the command line or built in. */
  readonly definition: Span | null
}

/** One line of a source, cut into tokens. A line continued with a backslash counts as one, at its first line's number. */
export interface TokenLine {
  readonly source: number
  readonly line: number
  readonly tokens: readonly Token[]
}

export const NO_TOKENS: readonly Token[] = []

const WORDS: ReadonlySet<string> = new Set(WORD_TYPES)

export const isWord = (token: Token): boolean => WORDS.has(token.type)

/** The span from `first` to `last` when they stand on one line in this order, else that of `first`. */
export function spanOf(first: Token, last: Token): Span {
  const { source, line, column } = first
  const end = last.column + last.length
  const together = last.source === source && last.line === line && end > column
  return { source, line, column, length: together ? end - column : first.length }
}

/** A name that is spelt like a word of the language has a dollar sign before it. */
const textOfToken = ({ type, text }: Token): string => (type === 'name' && classify(text) !== 'name' ? `$${text}` : text)

/** The text of tokens, with one space where white space stood. */
export function textOf(tokens: readonly Token[]): string {
  let text = ''
  for (const [position, token] of tokens.entries()) text += `${token.space && position > 0 ? ' ' : ''}${textOfToken(token)}`
  return text
}

const DOLLAR = 0x24
const isDollared = ({ type, text }: Token): boolean => type === 'name' && text.charCodeAt(0) === DOLLAR

/** The tokens as the assembler proper reads them: to it `$name` is `name`, while the preprocessor takes the two for different names. */
export const withoutDollars = (tokens: readonly Token[]): readonly Token[] =>
  tokens.some(isDollared) ? tokens.map(token => (isDollared(token) ? { ...token, text: token.text.slice(1) } : token)) : tokens
