/** Golden exits: how many of each kind, kept by vitest beside the test file and updated with its own `-u`. */

import type { CellRun } from './cell-run.ts'
import { exitsText } from './check-cells.ts'
import type { Failure } from './failure.ts'
import { applies, type GuestTestPlan } from './plan.ts'

/** Vitest's `expect(text).toMatchSnapshot()`: throws an error with the text that is kept, if there is any. */
export type Golden = (text: string) => void

export const failedGolden = (plan: GuestTestPlan, run: CellRun, golden: Golden): readonly Failure[] =>
  plan.expectations
    .filter(wanted => wanted.kind === 'golden' && applies(wanted, run.cell))
    .flatMap(({ place }) => {
      const text = exitsText(run)
      try {
        golden(text)
        return []
      } catch (error) {
        const kept = error instanceof Error && 'expected' in error && typeof error.expected === 'string' ? error.expected : undefined
        return [
          {
            place,
            expected: kept === undefined ? 'exits that are kept beside this file' : 'the exits that are kept beside this file',
            actual: kept === undefined ? 'there are none of this cell' : changesText(countsOf(kept), countsOf(text)),
            because: kept === undefined ? 'run with -u to keep them' : 'if this is right, run with -u to keep it instead',
            event: null,
          },
        ]
      }
    })

/** Counts by kind of exit. Vitest keeps a text in quotes. */
const countsOf = (text: string): ReadonlyMap<string, number> =>
  new Map(
    text
      .replaceAll('"', '')
      .split('\n')
      .flatMap(line => {
        const found = /^(L\d .*?) +(\d+)$/.exec(line.trim())
        return found === null ? [] : [[found[1]!, Number(found[2])] as const]
      }),
  )

const changesText = (kept: ReadonlyMap<string, number>, now: ReadonlyMap<string, number>): string =>
  [...new Set([...kept.keys(), ...now.keys()])]
    .filter(label => kept.get(label) !== now.get(label))
    .map(label => `${label} ${kept.get(label) ?? 0} -> ${now.get(label) ?? 0}`)
    .join(', ')
