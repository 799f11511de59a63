/** Expectations about the registers and flags behind the instructions of a line, at each of its visits. */

import { hex } from '../base/u64.ts'
import type { Evidence } from './evidence.ts'
import type { Failure } from './failure.ts'
import type { Wanted } from './plan.ts'
import { flagsText } from './register-values.ts'

export function checkValue(expectation: Wanted<'value'>, { facts }: Evidence): Failure | null {
  const { place, wanted } = expectation
  const visits = facts().visits.get(expectation)!
  const { wrong, count } = visits
  const show = (value: bigint): string => (wanted.kind === 'flag' ? String(value) : hex(value))
  const expected = `${wanted.name}=${show(wanted.value)} behind this line`
  if (count === 0) return { place, expected, actual: 'the line was never executed', because: '', event: null }
  if (wrong === null) return null
  return {
    place,
    expected,
    actual: `${wanted.name}=${show(wrong.value)} at visit ${wrong.visit} of ${count}`,
    because: wanted.kind === 'flag' ? `the flags that are set: ${flagsText(wrong.rflags)}` : '',
    event: null,
    instructions: wrong.instructions,
  }
}
