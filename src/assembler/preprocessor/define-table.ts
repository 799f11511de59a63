/** The single-line macros by name; those of a context (`%$name`) live in the context. */

import type { Token } from '../tokens.ts'
import type { Context, Define, Preprocessor } from './state.ts'

/** `%$name` is the innermost context, each further `$` one farther out. */
export function contextOf(state: Preprocessor, name: string): { context: Context | undefined; rest: string } | undefined {
  const match = /^%(\$+)(.*)$/.exec(name)
  return match === null ? undefined : { context: state.contexts.at(-match[1]!.length), rest: match[2]! }
}

export function definesNamed(state: Preprocessor, token: Token): readonly Define[] | undefined {
  if (token.type === 'preprocessor') {
    const local = contextOf(state, token.text)
    return local?.context?.defines.get(local.rest)
  }
  const exact = state.defines.get(token.text)
  if (exact !== undefined) return exact
  return state.foldedDefines.size === 0 ? undefined : state.foldedDefines.get(token.text.toLowerCase())
}

const arity = (define: Define): number => define.parameters?.length ?? -1

/** Puts a definition in place of one with as many parameters. A plain one and ones with parameters exclude each other. */
export function addDefine(state: Preprocessor, define: Define): void {
  const local = contextOf(state, define.name)
  const table = local ? local.context?.defines : define.ignoresCase ? state.foldedDefines : state.defines
  if (table === undefined) return
  const key = local ? local.rest : define.ignoresCase ? define.name.toLowerCase() : define.name
  const others = (table.get(key) ?? []).filter(other => arity(other) !== arity(define) && (arity(other) === -1) === (arity(define) === -1))
  table.set(key, [...others, define])
}

export function removeDefine(state: Preprocessor, name: string): void {
  const local = contextOf(state, name)
  if (local) local.context?.defines.delete(local.rest)
  else {
    state.defines.delete(name)
    state.foldedDefines.delete(name.toLowerCase())
  }
}
