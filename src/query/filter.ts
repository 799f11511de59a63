/**
 * The filter language: `exit and reason == MSR_WRITE`, `hrtimer_* || irq(0xec)`, `level == 2 && tick in 1000..2000`. One
 * implementation for the command line, the explorer and tests. A comparison with a field that an event does not have is false.
 *
 *     kind                     a name with * and ?, or the explorer's short word: kvm_exit, hrtimer_*, exit
 *     field COMPARISON value   == != < <= > >=, and ~ for a pattern; also `field in from..to`, both ends included
 *     exit(REASON [, MSR])     irq(VECTOR)     msr(INDEX)     line([FILE,] LINE)     at(LABEL)
 *     and or not ( )           && || !
 *
 * What asks about the state besides (breakpoints, `--until`) is the same language: `stop-expression.ts`.
 */

import type { TraceHeader } from '../trace/file.ts'
import type { ExpressionNode } from './expression-nodes.ts'
import { filterCalls } from './filter-calls.ts'
import { FilterError, type ProgramNames } from './filter-fields.ts'
import { comparison, kindTest, type Matcher, range } from './filter-tests.ts'
import { registerNamed, valueText } from './location.ts'
import { readExpression } from './parse.ts'

export { FilterError } from './filter-fields.ts'

const MAX_DEPTH = 100

export const programNames = ({ symbols }: TraceHeader['image']): ProgramNames => new Map(symbols.map(({ name, value }) => [name, value]))

/** A filter for the traces of a program. Throws `FilterError`. */
export const compileFilter = (text: string, image: TraceHeader['image']): Matcher =>
  readExpression(text, tree => eventMatcher(tree, image, programNames(image)))

/** Throws where the text nests deeper than anybody's. */
export function checkDepth(node: ExpressionNode, depth = 0): void {
  if (depth > MAX_DEPTH) throw new FilterError(0, `an expression nests at most ${MAX_DEPTH} deep`)
  if (node.kind === 'not') checkDepth(node.of, depth + 1)
  if (node.kind === 'and' || node.kind === 'or') for (const side of [node.left, node.right]) checkDepth(side, depth + 1)
}

/** A tree that asks about events alone. */
export function eventMatcher(tree: ExpressionNode, image: TraceHeader['image'], program: ProgramNames): Matcher {
  checkDepth(tree)
  const visit = (node: ExpressionNode): Matcher => {
    switch (node.kind) {
      case 'or':
      case 'and':
        return (node.kind === 'or' ? either : both)(visit(node.left), visit(node.right))
      case 'not':
        return inverse(visit(node.of))
      case 'bare':
        return kindOf(node.value)
      case 'comparison':
        return comparison(node, program)
      case 'range':
        return range(node, program)
      case 'call':
        return filterCalls(node, program, image)
    }
  }
  return visit(tree)
}

function kindOf(value: Extract<ExpressionNode, { kind: 'bare' }>['value']): Matcher {
  if (value.kind === 'name' && registerNamed(value.text) === undefined) return kindTest(value)
  throw new FilterError(value.column, `\`${valueText(value)}\` names no event`, 'name a kind, as in `kvm_exit` or `hrtimer_*`')
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
