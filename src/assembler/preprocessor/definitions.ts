/** Directives that give single-line macros their meaning: %define, %assign, %strlen and the like. */

import { lexAt } from '../lexer.ts'
import { parseNumber, quoted, quotedBytes, stringBytes } from '../literals.ts'
import { isWord, type Token, textOf } from '../tokens.ts'
import { addDefine, contextOf, removeDefine } from './define-table.ts'
import { expandInPlace, expandLine } from './expand.ts'
import { splitArguments } from './macros.ts'
import { numberOf } from './numbers.ts'
import type { Preprocessor } from './state.ts'

type Directive = (state: Preprocessor, directive: Token, rest: readonly Token[]) => void

/** The name that a directive defines; reports when it is none. */
function nameOf(state: Preprocessor, directive: Token, token: Token | undefined): Token | undefined {
  if (token !== undefined && (isWord(token) || contextOf(state, token.text)?.context)) return token
  const outside = token !== undefined && contextOf(state, token.text) !== undefined
  state.report('E0402', outside ? 'there is no context: %push opens one' : `\`${directive.text}\` needs a name`, token ?? directive)
  return undefined
}

/** Parameters that are evaluated, made strings, kept from expanding, or greedy. */
const ODD_PARAMETER = /^([=&!]|&&|\.\.\..*)$/

/** With a parenthesis right behind the name, a macro with parameters. */
const define =
  (ignoresCase: boolean, now: boolean): Directive =>
  (state, directive, rest) => {
    const name = nameOf(state, directive, rest[0])
    if (name === undefined) return
    let parameters: string[] | null = null
    let start = 1
    if (rest[1]?.type === '(' && !rest[1].space) {
      const close = rest.findIndex(token => token.type === ')')
      if (close === -1) {
        state.report('E0101', 'the parameters are not closed', rest[1], { help: ['`)` closes them'] })
        return
      }
      const inside = rest.slice(2, close)
      const odd = inside.find(token => ODD_PARAMETER.test(token.text) || (token.type === '+' && token === inside.at(-1)))
      if (odd !== undefined) {
        state.report('E0402', `\`${odd.text}\` in the parameters of a single-line macro is outside the dialect that vtick reads`, odd, {
          help: ['its parameters are plain names; `%macro` has greedy ones'],
        })
        return
      }
      parameters = inside.length === 0 ? [] : splitArguments(inside).map(parameter => textOf(parameter))
      start = close + 1
    }
    const body = now ? expandLine(state, rest.slice(start)) : expandInPlace(state, rest.slice(start))
    addDefine(state, { name: name.text, parameters, body, span: name, ignoresCase })
  }

const setTokens = (state: Preprocessor, name: Token, body: readonly Token[], ignoresCase = false): void =>
  addDefine(state, { name: name.text, parameters: null, body, span: name, ignoresCase })

const assign =
  (ignoresCase: boolean): Directive =>
  (state, directive, rest) => {
    const name = nameOf(state, directive, rest[0])
    if (name === undefined) return
    const value = numberOf(state, rest.slice(1), directive) ?? 0n
    // A minus sign would be a token of its own, so that a negative number is one in any expression.
    const text = value < 0n ? [...lexAt('-', name), ...lexAt(String(-value), { ...name, space: false })] : lexAt(String(value), name)
    setTokens(state, name, text, ignoresCase)
  }

/** The bytes of the strings among the arguments. */
function strings(state: Preprocessor, directive: Token, tokens: readonly Token[]): Uint8Array[] | undefined {
  const values = expandLine(state, tokens).filter(token => token.type !== ',')
  const wrong = values.find(token => token.type !== 'string')
  if (wrong === undefined && values.length > 0) return values.map(token => stringBytes(token.text))
  state.report('E0402', `\`${directive.text}\` needs a string in quotes`, wrong ?? directive)
  return undefined
}

const setString = (state: Preprocessor, name: Token, bytes: Uint8Array): void => setTokens(state, name, lexAt(quotedBytes(bytes), name))

const stringLength: Directive = (state, directive, rest) => {
  const name = nameOf(state, directive, rest[0])
  const values = name && strings(state, directive, rest.slice(1))
  if (values) setTokens(state, name, lexAt(String(values[0]!.length), name))
}

const concatenate: Directive = (state, directive, rest) => {
  const name = nameOf(state, directive, rest[0])
  const values = name && strings(state, directive, rest.slice(1))
  if (values) setString(state, name, Uint8Array.from(values.flatMap(bytes => [...bytes])))
}

/** `%substr name 'text' start[, count]`, from 1; a negative count counts from the end. */
const substring: Directive = (state, directive, rest) => {
  const name = nameOf(state, directive, rest[0])
  if (name === undefined) return
  const [text, ...numbers] = expandLine(state, rest.slice(1))
  const values = strings(state, directive, text ? [text] : [])
  if (values === undefined) return
  const [from, count] = splitArguments(numbers[0]?.type === ',' ? numbers.slice(1) : numbers).map(tokens =>
    numberOf(state, tokens, directive),
  )
  const bytes = values[0]!
  const start = Number(from ?? 1n) - 1
  const length = count === undefined ? 1 : Number(count)
  const end = length < 0 ? bytes.length + length + 1 : start + length
  setString(state, name, bytes.subarray(Math.max(0, start), Math.max(0, start, end)))
}

const defineString: Directive = (state, directive, rest) => {
  const name = nameOf(state, directive, rest[0])
  if (name) setTokens(state, name, lexAt(quoted(textOf(expandLine(state, rest.slice(1)))), name))
}

const defineTokens: Directive = (state, directive, rest) => {
  const name = nameOf(state, directive, rest[0])
  const values = name && strings(state, directive, rest.slice(1))
  if (values) setTokens(state, name, lexAt(new TextDecoder().decode(values[0]).replace(/[\r\n]/g, ' '), name))
}

const undefine: Directive = (state, directive, rest) => {
  const name = nameOf(state, directive, rest[0])
  if (name) removeDefine(state, name.text)
}

export const DEFINITIONS: Readonly<Record<string, Directive>> = {
  '%define': define(false, false),
  '%idefine': define(true, false),
  '%xdefine': define(false, true),
  '%ixdefine': define(true, true),
  '%undef': undefine,
  '%assign': assign(false),
  '%iassign': assign(true),
  '%defstr': defineString,
  '%deftok': defineTokens,
  '%strlen': stringLength,
  '%strcat': concatenate,
  '%substr': substring,
}

/** The number behind a name, for suggestions. */
export function constantOf(state: Preprocessor, name: string): bigint | undefined {
  const body = state.defines.get(name)?.[0]?.body
  return body?.length === 1 && body[0]!.type === 'number' ? parseNumber(body[0]!.text) : undefined
}
