/** Expressions that the preprocessor computes: %if, %assign, %rep. */

import { evaluate, placeOf } from '../evaluate.ts'
import { parseExpression } from '../parse.ts'
import { syntaxProblem } from '../syntax-errors.ts'
import { spanOf, type Token, withoutDollars } from '../tokens.ts'
import { isScalar } from '../value.ts'
import { expandLine } from './expand.ts'
import type { Preprocessor } from './state.ts'

/** The number that tokens say once expanded; undefined after an error, which has been reported. */
export function numberOf(state: Preprocessor, tokens: readonly Token[], directive: Token): bigint | undefined {
  const expanded = withoutDollars(expandLine(state, tokens))
  if (expanded.length === 0) {
    state.report('E0402', `\`${directive.text}\` needs an expression`, directive)
    return undefined
  }
  const parsed = parseExpression(expanded)
  if (parsed.kind === 'failure') {
    const { code, message, span, notes } = syntaxProblem(parsed, expanded, [])
    state.report(code, message, span, notes)
    return undefined
  }
  const { options } = state
  const scope = {
    lookup(name: Token) {
      const value = options.symbol(name)
      if (value === undefined) {
        state.report('E0303', `\`${name.text}\` has no value here`, name, {
          help: [`\`${directive.text}\` is computed while the source is read: it can use %assign, %define, and names defined above`],
        })
      } else if (value.terms.length > 0) state.dependsOnLayout = true
      return value
    },
    here: () => {
      state.dependsOnLayout = true
      return options.here()
    },
    sectionStart: () => options.sectionStart(),
    report: state.report,
  }
  const value = evaluate(parsed.tree, { tokens: expanded, scope, hint: null })
  if (value === undefined) return undefined
  if (!isScalar(value)) {
    state.report('E0301', 'the expression is not a plain number', placeOf(parsed.tree, expanded), {
      help: ['an address is none: subtract `$$` or another label from it'],
    })
    return undefined
  }
  return value.constant
}

/** Where several tokens stand, or the directive when there are none. */
export const placeOfTokens = (tokens: readonly Token[], directive: Token) =>
  tokens.length === 0 ? directive : spanOf(tokens[0]!, tokens.at(-1)!)
