/**
 * Text to tokens, with moo. Every text lexes: what no rule knows is a `bad` token and what no quote closes an `unterminated`
 * one, so that the parser can say what is wrong where it stands, and skipped branches of a %if may hold anything.
 */

import moo from 'moo'
import { NO_TOKENS, type Token, type TokenLine, type TokenType } from './tokens.ts'
import { classify } from './words.ts'

/**
 * The rules in the order of how often they match. Each takes the blanks behind it along: tokens for white space of its own
 * would be every second one.
 */
const lexer = moo.compile({
  word: /\$?[A-Za-z_.?@\x80-\uFFFF][A-Za-z0-9_$#@~.?\x80-\uFFFF]*[ \t]*/,
  newline: { match: /\r?\n[ \t]*/, lineBreaks: true },
  float: /(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][+-]?[0-9_]+)?|[0-9][0-9_]*[eE][+-]?[0-9_]+(?![0-9A-Za-z_]))[ \t]*/,
  number: /(?:[0-9][0-9A-Za-z_]*|\$[0-9][0-9A-Za-z_]*)[ \t]*/,
  preprocessor: /%(?:\{[^}\n]*\}|\[|[+-]?\d+|\+|\*?\?\??|![A-Za-z0-9_]*|[%$]*[A-Za-z0-9_$#@~.?]+|\*\d*)[ \t]*/,
  punctuation: /(?:<=>|<<<|>>>|<<|>>|<=|>=|<>|==|!=|&&|\|\||\^\^|\/\/|%%|[-+*/%&|^~!<>=()[\]{},:])[ \t]*/,
  comment: { match: /;(?:\\\r?\n|[^\n])*/, lineBreaks: true },
  string: /(?:"[^"\n]*"|'[^'\n]*'|`(?:\\[^\n]|[^`\\\n])*`)[ \t]*/,
  unterminated: /["'`][^\n]*/,
  start: /\$\$[ \t]*/,
  here: /\$[ \t]*/,
  continuation: { match: /\\\r?\n[ \t]*/, lineBreaks: true },
  space: /[ \t\r\f\v]+/,
  bad: /[^\n]/,
})

const BLANK = /[ \t]$/

/** NASM's `$name` is a name even where the word alone is a keyword; a lone `?` is an operator. */
function typeOf(rule: string, text: string): TokenType {
  if (rule === 'word') return text.startsWith('$') ? 'name' : text === '?' ? '?' : classify(text)
  return (rule === 'punctuation' ? text : rule) as TokenType
}

/** Cuts a whole source into lines of tokens; lines without tokens are kept, the listing shows them. */
export function lexSource(text: string, source: number): TokenLine[] {
  const lines: TokenLine[] = []
  let tokens: Token[] = []
  let line = 1
  let physical = 1
  let space = false
  const finish = () => {
    lines.push({ source, line, tokens: tokens.length === 0 ? NO_TOKENS : tokens })
    tokens = []
    space = false
  }
  lexer.reset(text)
  for (let raw = lexer.next(); raw !== undefined; raw = lexer.next()) {
    switch (raw.type) {
      case 'newline':
        finish()
        physical++
        line = physical
        space = BLANK.test(raw.text)
        break
      case 'space':
        space = true
        break
      case 'comment':
      case 'continuation':
        physical += raw.lineBreaks
        space = true
        break
      default: {
        const token = tokenOf(raw, source, physical, space)
        tokens.push(token)
        space = token.length < raw.text.length
      }
    }
  }
  // What stands behind the last newline is a line only if there is something.
  if (tokens.length > 0 || lines.length === 0) finish()
  return lines
}

/** What a piece of text is, without the place where it stands. */
interface Piece {
  readonly type: TokenType
  readonly text: string
  readonly length: number
}

/** Sources repeat few pieces (`rax`, `, `), and looking one up is cheaper than cutting it up again. */
const pieces = new Map<string, Piece>()
const MAX_PIECES = 20_000

function pieceOf(raw: moo.Token): Piece {
  const text = raw.type === 'bad' || raw.type === 'unterminated' || !BLANK.test(raw.text) ? raw.text : raw.text.trimEnd()
  return { type: typeOf(raw.type!, text), text, length: text.length }
}

function tokenOf(raw: moo.Token, source: number, line: number, space: boolean): Token {
  let piece = pieces.get(raw.text)
  if (piece === undefined) {
    piece = pieceOf(raw)
    // The same text is another thing where a string was not closed.
    if (raw.type !== 'bad' && raw.type !== 'unterminated') {
      if (pieces.size >= MAX_PIECES) pieces.clear()
      pieces.set(raw.text, piece)
    }
  }
  const { type, text, length } = piece
  return { type, text, source, line, column: raw.col - 1, length, space, via: null }
}

/** Lexes text that was made rather than written (glued or computed by the preprocessor): its tokens stand where `at` stands. */
export function lexAt(text: string, at: Token): Token[] {
  const tokens = lexSource(text, at.source)[0]!.tokens
  return tokens.map((token, position) => ({
    ...token,
    line: at.line,
    column: at.column,
    length: at.length,
    space: position === 0 ? at.space : token.space,
    via: at.via,
  }))
}
