/** A line that does not parse, in words: what is wrong where, instead of "syntax error". */

import { nearest } from '../base/suggest.ts'
import type { DiagnosticCode } from './diagnostic-codes.ts'
import type { DiagnosticNotes } from './diagnostics.ts'
import { OUTSIDE_DIRECTIVES, OUTSIDE_FUNCTIONS } from './outside.ts'
import type { SyntaxFailure } from './parse.ts'
import { isWord, type Span, type Token } from './tokens.ts'
import { wordsOfType } from './words.ts'

export interface SyntaxProblem {
  readonly code: DiagnosticCode
  readonly message: string
  readonly span: Span
  readonly notes: DiagnosticNotes
}

const problem = (code: DiagnosticCode, message: string, span: Span, notes: DiagnosticNotes = {}): SyntaxProblem => ({
  code,
  message,
  span,
  notes,
})

const CLOSING: Readonly<Record<string, string>> = { '(': ')', '[': ']' }

export function syntaxProblem(failure: SyntaxFailure, tokens: readonly Token[], macroNames: readonly string[]): SyntaxProblem {
  const token = tokens[failure.at]
  const end = endOf(tokens)
  if (failure.reason === 'too-deep') return problem('E0601', 'the expression is nested too deeply', token ?? end)
  if (failure.reason === 'too-long')
    return problem('E0606', 'the line has too many parts', tokens[0]!, { help: ['spread it over several lines'] })
  return (
    outsideDialect(tokens) ??
    badToken(tokens) ??
    leftoverDirective(tokens) ??
    unknownWord(failure, tokens, macroNames) ??
    unclosed(failure, tokens) ??
    foreignSyntax(failure, tokens) ??
    missing(failure, token, end)
  )
}

/** What NASM reads and vtick does not, by its name. */
function outsideDialect(tokens: readonly Token[]): SyntaxProblem | undefined {
  const first = tokens.findIndex(({ type }) => type !== '[' && type !== 'prefix')
  const word = tokens[first]
  const refused = (token: Token, name: string, help: string): SyntaxProblem =>
    problem(token.type === 'preprocessor' ? 'E0401' : 'E0114', `${name} is outside the dialect that vtick reads`, token, { help: [help] })
  if (word?.type === 'refused') return refused(word, `\`${word.text.toLowerCase()}\``, OUTSIDE_DIRECTIVES[word.text.toLowerCase()] ?? '')
  for (const [position, token] of tokens.entries()) {
    const instead = token.type === 'preprocessor' ? OUTSIDE_FUNCTIONS[token.text.toLowerCase()] : undefined
    if (instead !== undefined) return refused(token, `the preprocessor function \`${token.text}()\``, instead)
    if (token.type === 'preprocessor' && token.text.startsWith('%!'))
      return refused(token, `the environment variable \`${token.text}\``, '`-D NAME=VALUE` gives a value from outside')
    if (token.type === '%' && tokens[position + 1]?.type === ',') return refused(token, 'the conditional comma `%,`', '%if and %0 decide')
    if (token.type === '{')
      return refused(
        token,
        `\`{${tokens[position + 1]?.text ?? ''}}\``,
        'masks and encodings in braces are those of AVX-512, EVEX, VEX and REX',
      )
    const isInside = position > 0 && (tokens[position - 1]!.type === '[' || tokens[position - 1]!.type === 'relative')
    if (token.type === 'prefix' && isInside && /^[ao]\d/i.test(token.text))
      return refused(token, `\`${token.text}\` inside brackets`, `it is a prefix: \`${token.text} mov eax, [x]\``)
  }
  return undefined
}

/** One place behind the last token. */
function endOf(tokens: readonly Token[]): Span {
  const last = tokens.at(-1)!
  return { source: last.source, line: last.line, column: last.column + last.length, length: 1 }
}

function badToken(tokens: readonly Token[]): SyntaxProblem | undefined {
  const token = tokens.find(({ type }) => type === 'unterminated' || type === 'bad')
  if (token?.type === 'unterminated')
    return problem(
      'E0102',
      'the string is not closed',
      { ...token, length: 1 },
      { help: [`\`${token.text[0]}\` closes it, on the same line`] },
    )
  return token && problem('E0103', `\`${token.text}\` means nothing here`, token)
}

function leftoverDirective(tokens: readonly Token[]): SyntaxProblem | undefined {
  const token = tokens.find(({ type }) => type === 'preprocessor')
  if (token === undefined) return undefined
  if (/^%[{]?[+-]?\d/.test(token.text)) return problem('E0407', `\`${token.text}\` is a macro parameter, and this is no macro`, token)
  if (token.text.startsWith('%%')) return problem('E0407', `\`${token.text}\` is a label local to a macro, and this is no macro`, token)
  if (token.text.startsWith('%$'))
    return problem('E0404', `\`${token.text}\` belongs to a context, and none is open`, token, { help: ['%push opens one'] })
  return problem('E0401', `\`${token.text}\` cannot stand here`, token, { help: ['a preprocessor directive begins its line'] })
}

/** `label mvo eax, 1`, or the word before what does not fit. */
function unknownWord(failure: SyntaxFailure, tokens: readonly Token[], macroNames: readonly string[]): SyntaxProblem | undefined {
  const before = tokens[failure.at - 1]
  if (before?.type !== 'name' || failure.at > 3 || failure.at < 2) return undefined
  const opener = tokens[failure.at - 2]!
  if (opener.type !== 'name' && opener.type !== ':' && opener.type !== 'prefix') return undefined
  const suggestion = nearest(before.text, [...macroNames, ...wordsOfType('mnemonic', 'data', 'reserve', 'equ', 'times')])
  return problem('E0111', `unknown instruction \`${before.text}\``, before, { hint: suggestion ? `did you mean \`${suggestion}\`?` : '' })
}

function unclosed(failure: SyntaxFailure, tokens: readonly Token[]): SyntaxProblem | undefined {
  const open: Token[] = []
  for (const token of tokens.slice(0, failure.at)) {
    if (token.type in CLOSING) open.push(token)
    else if (token.type === ')' || token.type === ']') open.pop()
  }
  const innermost = open.at(-1)
  if (innermost === undefined || !failure.expected.has(CLOSING[innermost.type]!)) return undefined
  const token = tokens[failure.at]
  const atEnd = token === undefined || token.type === ',' || token.type === ']' || token.type === ')'
  if (!atEnd) return undefined
  return problem('E0101', `\`${innermost.text}\` is not closed`, innermost, {
    help: [`\`${CLOSING[innermost.type]}\` is expected ${token ? `before \`${token.text}\`` : 'at the end of the line'}`],
  })
}

/** What other assemblers write. */
function foreignSyntax(failure: SyntaxFailure, tokens: readonly Token[]): SyntaxProblem | undefined {
  const token = tokens[failure.at]
  const ptr = tokens.find(({ text }) => text.toLowerCase() === 'ptr')
  if (ptr) return problem('E0100', '`ptr` is not needed', ptr, { help: ['NASM’s dialect writes `dword [x]`'] })
  const offset = tokens.find(({ text }, index) => text.toLowerCase() === 'offset' && index > 0)
  if (offset)
    return problem('E0100', '`offset` is not needed', offset, { help: ['a label without brackets is its address: `mov rax, label`'] })
  if (token?.type === '[' && tokens[failure.at - 1]?.type === ':')
    return problem('E0100', 'the segment belongs inside the brackets', token, { help: ['`[fs:rax]` instead of `fs:[rax]`'] })
  if (token?.type === '%' && tokens[failure.at + 1]?.type === 'register')
    return problem('E0100', 'registers are written without `%`', token)
  if (token?.type === '=' && failure.at === 1)
    return problem('E0100', '`=` defines nothing', token, { help: ['`name equ value` gives a name to a number'] })
  return undefined
}

const WORDS_FOR: Readonly<Record<string, string>> = { name: 'a name', number: 'a number', string: 'a string', mnemonic: 'an instruction' }

function missing(failure: SyntaxFailure, token: Token | undefined, end: Span): SyntaxProblem {
  const { expected } = failure
  const span = token ?? end
  const found =
    token === undefined
      ? 'the line ends too early'
      : (isWord(token) || token.type === 'string' || token.type === 'number') && expected.has(',')
        ? `a comma is missing before \`${token.text}\``
        : `\`${token.text}\` does not fit here`
  const value = expected.has('number')
  const words = [...expected].filter(type => type === ',' || type === ')' || type === ']' || type === ':').map(type => `\`${type}\``)
  const wanted = value
    ? ['a value']
    : [
        ...words,
        ...Object.keys(WORDS_FOR)
          .filter(type => expected.has(type))
          .map(type => WORDS_FOR[type]!),
      ]
  const help =
    wanted.length === 0
      ? ['nothing more is expected on this line']
      : [`expected: ${wanted.join(', ')}${value ? '' : ' or the end of the line'}`]
  return problem('E0100', found, span, { help })
}
