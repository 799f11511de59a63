/** Expectations about VM exits: how many of a kind, how many in all, and whether the instructions of a line make one. */

import { MSRS } from '../spec/msrs.ts'
import { msrLabel } from '../trace/format.ts'
import { groupedNumber } from '../trace/table.ts'
import type { CellRun } from './cell-run.ts'
import { type Exit, isAtLine, matching } from './exits.ts'
import type { Failure } from './failure.ts'
import { COMPARISONS, type Comparison, type ExitPattern, type Wanted } from './plan.ts'

/** In front of a count that is expected. */
export const COMPARISON_WORDS = { '==': '', '<=': 'at most ', '>=': 'at least ' } as const satisfies Record<Comparison, string>

export const patternText = ({ reason, msr }: ExitPattern): string => (msr === undefined ? reason : `${reason} ${msrLabel(msr)}`)

export const exitText = (exit: Exit): string => `exit ${patternText(exit)} at #${exit.index}, L${exit.level}`

export function checkCount({ exits, comparison, count, place }: Wanted<'exits'>, run: CellRun): Failure | null {
  const found = matching(run.exits, exits)
  if (COMPARISONS[comparison](found.length, count)) return null
  const isSurplus = found.length > count
  const event = (isSurplus ? found[count] : found.at(-1))?.index ?? null
  return {
    place,
    expected: `${COMPARISON_WORDS[comparison]}${count} exits ${patternText(exits)}`,
    actual: `${found.length} of them, among ${run.exits.length} exits in all`,
    because: timerReason(exits, run, event, isSurplus),
    event,
  }
}

export function checkBudget({ budget, limit, place }: Wanted<'budget'>, { instructions, exits, cycles, end }: CellRun): Failure | null {
  const [used, noun] = { insns: [instructions, 'instructions retired'], exits: [exits.length, 'VM exits'], cycles: [cycles, 'cycles'] }[
    budget
  ] as [number, string]
  if (used <= limit) return null
  const isStopped = budget === 'insns' && end.reason === 'budget'
  return {
    place,
    expected: `at most ${groupedNumber(limit)} ${noun}`,
    actual: isStopped ? 'more: the guest was stopped' : `${groupedNumber(used)} ${noun}`,
    because: '',
    event: budget === 'exits' ? exits[limit]!.index : null,
  }
}

export function checkNoExit({ place }: Wanted<'no-exit'>, run: CellRun): Failure | null {
  const found = run.exits.filter(exit => isAtLine(exit, run.image, place.line, false))
  const [first] = found
  if (first === undefined) return null
  const actual = `${exitText(first)}${found.length > 1 ? `, and ${found.length - 1} more` : ''}`
  return {
    place,
    expected: 'no VM exit at this instruction',
    actual,
    because: timerReason(first, run, first.index, true),
    event: first.index,
  }
}

export function checkExit({ exits, place }: Wanted<'exit'>, run: CellRun): Failure | null {
  const found = run.exits.filter(exit => isAtLine(exit, run.image, place.line, true))
  if (matching(found, exits).length > 0) return null
  const [first] = found
  const actual = first === undefined ? 'no VM exit at it' : exitText(first)
  const event = first?.index ?? null
  return {
    place,
    expected: `exit ${patternText(exits)} at this instruction`,
    actual,
    because: timerReason(exits, run, event, false),
    event,
  }
}

const DEADLINE_MSR = MSRS.MSR_IA32_TSC_DEADLINE.index

/** Which timer carried the deadline decides about these exits, and KVM says when that changes. */
export function timerReason({ reason, msr }: ExitPattern, { events }: CellRun, before: number | null, isSurplus: boolean): string {
  if (!((reason === 'MSR_WRITE' && (msr ?? DEADLINE_MSR) === DEADLINE_MSR) || reason === 'PREEMPTION_TIMER')) return ''
  const last = events.findLastIndex((event, index) => event.kind === 'kvm_apic_virt_timer_state' && (before === null || index < before))
  const state = events[last]
  const isOn = state?.kind === 'kvm_apic_virt_timer_state' && state.apic_virt_timer === 1
  if (isOn === isSurplus) return ''
  if (isOn) return `APIC-timer virtualization carries the deadline: kvm_apic_virt_timer_state said 1 at #${last}`
  return `KVM carries the deadline itself: kvm_apic_virt_timer_state ${state === undefined ? 'never said 1' : `said 0 at #${last}`}`
}
