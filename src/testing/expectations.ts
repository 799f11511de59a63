/** Every expectation that applies to a cell against what its run did. What does not hold is a `Failure`. */

import { unreachable } from '../base/assert.ts'
import type { CellRun } from './cell-run.ts'
import { checkSame } from './check-cells.ts'
import { checkIrqCount, checkIrqTime, checkNever, checkOrder, checkPrints, checkWakes } from './check-events.ts'
import { checkBudget, checkCount, checkExit, checkNoExit } from './check-exits.ts'
import { checkValue } from './check-values.ts'
import type { Evidence } from './evidence.ts'
import type { Failure } from './failure.ts'
import { applies, type Cell, type Expectation, type GuestTestPlan } from './plan.ts'
import { type WalkFacts, walkFacts } from './walk-facts.ts'

/** What does not hold of the directives that apply to this cell. */
export function failedExpectations(plan: GuestTestPlan, run: CellRun, runOf: (cell: Cell) => CellRun): readonly Failure[] {
  const wanted = plan.expectations.filter(expectation => applies(expectation, run.cell))
  let facts: WalkFacts | undefined
  const evidence: Evidence = {
    run,
    runOf,
    facts: () => {
      facts ??= walkFacts(wanted, run)
      return facts
    },
  }
  return wanted.flatMap(expectation => check(expectation, evidence) ?? [])
}

function check(wanted: Expectation, evidence: Evidence): Failure | null {
  switch (wanted.kind) {
    case 'exits':
      return checkCount(wanted, evidence.run)
    case 'irqs':
      return checkIrqCount(wanted, evidence.run)
    case 'irq-time':
      return checkIrqTime(wanted, evidence)
    case 'order':
      return checkOrder(wanted, evidence)
    case 'never':
      return checkNever(wanted, evidence)
    case 'budget':
      return checkBudget(wanted, evidence.run)
    case 'prints':
      return checkPrints(wanted, evidence.run)
    case 'same':
      return checkSame(wanted, evidence)
    case 'golden':
      return null // kept by vitest: `guest-test.ts` asks it
    case 'no-exit':
      return checkNoExit(wanted, evidence.run)
    case 'exit':
      return checkExit(wanted, evidence.run)
    case 'wakes':
      return checkWakes(wanted, evidence.run)
    case 'value':
      return checkValue(wanted, evidence)
    default:
      return unreachable(wanted)
  }
}
