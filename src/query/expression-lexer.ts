/** Text of an expression, a location or a position to tokens, with moo. */

import moo from 'moo'

/** Words with a meaning of their own, and the type of their token. */
const KEYWORDS: Readonly<Record<string, string>> = { and: 'and', or: 'or', not: 'not', in: 'within' }

/** White space never reaches the grammar: each token takes along what stands behind it. */
const trimmed = (text: string): string => text.trimEnd()

/** moo over one line; what nearley asks of a lexer. A `bad` token fits nowhere, so the parser says where it stands. */
export const expressionLexer = Object.assign(
  moo.compile({
    percent: { match: /\d{1,3}(?:\.\d{1,6})?%[ \t]*/, value: trimmed },
    number: { match: /(?:0[xX][0-9a-fA-F_]+|[0-9][0-9_]*)(?![A-Za-z_])[ \t]*/, value: trimmed },
    text: { match: /(?:"[^"\n]*"|'[^'\n]*')[ \t]*/, value: text => trimmed(text).slice(1, -1) },
    mark: { match: /'[A-Za-z'](?![\w'])[ \t]*/, value: trimmed },
    event: { match: /#\d{1,15}[ \t]*/, value: trimmed },
    edge: { match: /@(?:end|fail)\b[ \t]*/, value: trimmed },
    counted: { match: /(?:i|tsc):\w+[ \t]*/, value: trimmed },
    place: { match: /(?:[mM][sS][rR]|[iI][rR][qQ]|[aA][pP][iI][cC]|[vV][mM][cC][sS]\w*)[:.]\w+[ \t]*/, value: trimmed },
    name: {
      match: /#?[A-Za-z_*?][\w*?@$]*(?:\.[A-Za-z_][\w@$]*)*[ \t]*/,
      value: trimmed,
      type: text => KEYWORDS[trimmed(text)] ?? 'name',
    },
    and: { match: /&&[ \t]*/, value: trimmed },
    or: { match: /\|\|[ \t]*/, value: trimmed },
    comparison: { match: /(?:==|!=|<=|>=|<|>|~)[ \t]*/, value: trimmed },
    not: { match: /![ \t]*/, value: trimmed },
    range: { match: /\.\.[ \t]*/, value: trimmed },
    open: { match: /\([ \t]*/, value: trimmed },
    close: { match: /\)[ \t]*/, value: trimmed },
    comma: { match: /,[ \t]*/, value: trimmed },
    sign: { match: /[+-][ \t]*/, value: trimmed },
    from: { match: /\[[ \t]*/, value: trimmed },
    to: { match: /\][ \t]*/, value: trimmed },
    size: { match: /:\d{1,5}[ \t]*/, value: trimmed },
    bad: { match: /[\s\S]/, lineBreaks: true },
  }),
  { has: (_name: string): boolean => true },
)
