/** The body of a multi-line macro with its parameters put in: %1, %{1}, %0, %00, %+1, %-1, %{1:3}, %%local. */

import { CONDITION_CODES } from '../../spec/rflags.ts'
import { lexAt } from '../lexer.ts'
import type { Token } from '../tokens.ts'
import { joinAdjacent } from './expand.ts'
import type { Invocation, Preprocessor } from './state.ts'

export function substitute(state: Preprocessor, tokens: readonly Token[], invocation: Invocation): readonly Token[] {
  if (!tokens.some(token => token.type === 'preprocessor')) return tokens
  const out: Token[] = []
  let glued = false
  for (const [position, token] of tokens.entries()) {
    const value = token.type === 'preprocessor' ? parameter(state, token, invocation) : undefined
    if (value === undefined) {
      out.push(token)
      continue
    }
    for (const [index, one] of value.entries()) out.push(index === 0 ? { ...one, space: token.space } : one)
    const next = tokens[position + 1]
    if ((position > 0 && !token.space) || (next !== undefined && !next.space)) glued = true
  }
  return glued ? joinAdjacent(out) : out
}

/** What the token stands for; undefined when it is no parameter. */
function parameter(state: Preprocessor, token: Token, invocation: Invocation): readonly Token[] | undefined {
  const inner = token.text.startsWith('%{') ? token.text.slice(2, -1).trim() : token.text.slice(1)
  if (inner === '0') return lexAt(String(invocation.given), token)
  if (inner === '00') return invocation.label ? [{ ...invocation.label, space: token.space }] : []
  if (/^\d+$/.test(inner)) return argument(invocation, Number(inner)) ?? []
  if (inner.startsWith('%')) return [{ ...token, type: 'name', text: `..@${invocation.id}.${inner.slice(1)}` }]
  const condition = /^([+-])(\d+)$/.exec(inner)
  if (condition) return conditionParameter(state, token, invocation, condition[1] === '-', Number(condition[2]))
  const range = /^(-?\d+):(-?\d+)$/.exec(inner)
  if (range) return rangeParameter(token, invocation, Number(range[1]), Number(range[2]))
  if (inner === '?' || inner === '??') return lexAt(invocation.macro.name, token)
  return undefined
}

function argument({ arguments: values, rotation }: Invocation, number: number): readonly Token[] | undefined {
  if (number < 1 || number > values.length) return undefined
  return values[(number - 1 + rotation) % values.length]
}

/** `%+1` is the condition code that was given, `%-1` its opposite. */
function conditionParameter(state: Preprocessor, token: Token, invocation: Invocation, negated: boolean, number: number): readonly Token[] {
  const given = argument(invocation, number) ?? []
  const text = given.map(one => one.text).join('')
  if (['cxz', 'ecxz', 'rcxz'].includes(text.toLowerCase()) && !negated) return given
  const code = CONDITION_CODES.findIndex(names => (names as readonly string[]).includes(text.toUpperCase()))
  if (code === -1) {
    state.report('E0402', `\`${text}\` is no condition code`, given[0] ?? token, {
      help: ['condition codes are e, ne, b, ae, a, be, l, ge, g, le, s, ns, o, no, p, np and their other names'],
    })
    return []
  }
  return negated ? lexAt(CONDITION_CODES[code ^ 1]![0].toLowerCase(), given[0] ?? token) : given
}

/** `%{first:last}`: several parameters with commas between; negative numbers count from the end. */
function rangeParameter(token: Token, invocation: Invocation, first: number, last: number): readonly Token[] {
  const count = invocation.arguments.length
  const from = first < 0 ? count + first + 1 : first
  const to = last < 0 ? count + last + 1 : last
  const out: Token[] = []
  for (let number = from; from <= to ? number <= to : number >= to; number += from <= to ? 1 : -1) {
    const value = argument(invocation, number)
    if (value === undefined) continue
    if (out.length > 0) out.push({ ...token, type: ',', text: ',', space: false })
    out.push(...value)
  }
  return out
}
