/**
 * The filter language: `exit and reason == MSR_WRITE`, `hrtimer_* || irq(0xec)`, `level == 2 && tick in 1000..2000`. One
 * implementation for the command line, the explorer and tests. A comparison with a field that an event does not have is false.
 *
 *     kind                     a name with * and ?, or the explorer's short word: kvm_exit, hrtimer_*, exit
 *     field COMPARISON value   == != < <= > >=, and ~ for a pattern; also `field in from..to`, both ends included
 *     exit(REASON [, MSR])     irq(VECTOR)     msr(INDEX)     line([FILE,] LINE)     at(LABEL)
 *     and or not ( )           && || !
 */

import nearley from 'nearley'
import type { TraceHeader } from '../trace/file.ts'
import { filterCalls } from './filter-calls.ts'
import { FilterError, type ProgramNames } from './filter-fields.ts'
import compiled from './filter-grammar.ts'
import type { FilterNode } from './filter-nodes.ts'
import { comparison, kindTest, type Matcher, range } from './filter-tests.ts'

export { FilterError } from './filter-fields.ts'

/** Longer texts are nobody's filter; nearley takes some microseconds for each token. */
const MAX_LENGTH = 10_000
const MAX_DEPTH = 100

const grammar = nearley.Grammar.fromCompiled(compiled as unknown as nearley.CompiledRules)

interface SyntaxTrouble {
  readonly token?: { readonly text: string; readonly offset: number }
  readonly offset?: number
}

/** The tree of a filter. Throws `FilterError`. */
export function parseFilter(text: string): FilterNode {
  if (text.length > MAX_LENGTH) throw new FilterError(MAX_LENGTH, `a filter has at most ${MAX_LENGTH} characters`)
  const parser = new nearley.Parser(grammar)
  try {
    parser.feed(text)
  } catch (error) {
    const { token } = error as SyntaxTrouble
    if (token === undefined) throw error
    const help = token.text === '=' ? 'to compare, write `==`' : 'as in `exit and reason == MSR_WRITE`'
    throw new FilterError(token.offset, `\`${token.text.trim()}\` does not fit here`, help)
  }
  const [tree] = parser.results as FilterNode[]
  if (tree === undefined)
    throw new FilterError(text.length, text.trim() === '' ? 'the filter is empty' : 'the filter ends too early', 'as in `irq(0xec)`')
  return tree
}

/** How many ways there are to read a filter: 1, or the grammar is wrong. */
export function countFilterParses(text: string): number {
  const parser = new nearley.Parser(grammar)
  parser.feed(text)
  return parser.results.length
}

const programNames = ({ symbols }: TraceHeader['image']): ProgramNames => new Map(symbols.map(({ name, value }) => [name, value]))

/** A filter for the traces of a program. Throws `FilterError`. */
export function compileFilter(text: string, image: TraceHeader['image']): Matcher {
  const program = programNames(image)
  const visit = (node: FilterNode, depth: number): Matcher => {
    if (depth > MAX_DEPTH) throw new FilterError(0, `a filter nests at most ${MAX_DEPTH} deep`)
    switch (node.kind) {
      case 'or':
      case 'and':
        return (node.kind === 'or' ? either : both)(visit(node.left, depth + 1), visit(node.right, depth + 1))
      case 'not':
        return inverse(visit(node.of, depth + 1))
      case 'kind':
        return kindTest(node.name)
      case 'comparison':
        return comparison(node, program)
      case 'range':
        return range(node, program)
      case 'call':
        return filterCalls(node, program, image)
    }
  }
  return visit(parseFilter(text), 0)
}

const either = (a: Matcher, b: Matcher): Matcher => ({
  needsExitMsrs: a.needsExitMsrs || b.needsExitMsrs,
  mayMatch: kind => a.mayMatch(kind) || b.mayMatch(kind),
  bind: view => {
    const [left, right] = [a.bind(view), b.bind(view)]
    if (typeof left === 'boolean') return left || right
    if (typeof right === 'boolean') return right || left
    return (row, at) => left(row, at) || right(row, at)
  },
})

const both = (a: Matcher, b: Matcher): Matcher => ({
  needsExitMsrs: a.needsExitMsrs || b.needsExitMsrs,
  mayMatch: kind => a.mayMatch(kind) && b.mayMatch(kind),
  bind: view => {
    const [left, right] = [a.bind(view), b.bind(view)]
    if (typeof left === 'boolean') return left && right
    if (typeof right === 'boolean') return right && left
    return (row, at) => left(row, at) && right(row, at)
  },
})

const inverse = (of: Matcher): Matcher => ({
  needsExitMsrs: of.needsExitMsrs,
  mayMatch: () => true,
  bind: view => {
    const test = of.bind(view)
    return typeof test === 'boolean' ? !test : (row, at) => !test(row, at)
  },
})
