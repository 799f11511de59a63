/** What the directives of a guest test ask for: plain data, made by the parser and read by everything else in this folder. */

import type { DefectName } from '../kvm/defects.ts'
import type { FlagName } from '../spec/rflags.ts'

/** A place in the test file; line and column from 1. */
export interface Place {
  readonly line: number
  readonly column: number
}

/** A directive that cannot be followed. */
export interface Problem {
  readonly place: Place
  readonly message: string
  /** A way out; empty if there is none. */
  readonly help: string
}

/** One value of each axis of the matrix, as written. */
export type Cell = Readonly<Record<string, string>>

export interface Axis {
  readonly kind: 'parameter' | 'feature' | 'level' | 'defect'
  readonly name: string
  readonly values: readonly string[]
}

/** `when a=b`: one axis has this value. */
export interface Condition {
  readonly axis: string
  readonly value: string
  readonly place: Place
}

export const COMPARISONS = {
  '==': (actual: number, wanted: number) => actual === wanted,
  '<=': (actual: number, wanted: number) => actual <= wanted,
  '>=': (actual: number, wanted: number) => actual >= wanted,
} as const satisfies Readonly<Record<string, (actual: number, wanted: number) => boolean>>

export type Comparison = keyof typeof COMPARISONS

/** Exits of a basic reason, in trace-cmd's word, and of one MSR if it is given. */
export interface ExitPattern {
  readonly reason: string
  readonly msr?: number
}

/** arm: the guest writes a deadline other than 0. eoi: it ends an interrupt. irq: a vector is delivered to it. */
export type EventPattern =
  | { readonly kind: 'exit'; readonly exits: ExitPattern }
  | { readonly kind: 'irq'; readonly vector: number }
  | { readonly kind: 'arm' }
  | { readonly kind: 'eoi' }

export const TIME_UNITS = ['cyc', 'ns', 'us', 'ms'] as const
export type TimeUnit = (typeof TIME_UNITS)[number]

/** A moment: the last write of a deadline, or when that deadline is due; and so much later, or earlier if negative. */
export interface TimePoint {
  readonly from: 'arm' | 'deadline'
  readonly offset: number
  readonly unit: TimeUnit
}

/** insns: instructions that the CPU retired, so not those that KVM emulated; cycles: of the host's TSC, from the machine's start. */
export const BUDGETS = ['insns', 'exits', 'cycles'] as const
export type Budget = (typeof BUDGETS)[number]

/** What two runs are compared by, as `vtick diff --by` does. */
export const SAMENESS = ['arch', 'exits'] as const
export type Sameness = (typeof SAMENESS)[number]

/** A register or a flag behind the instructions of a line; `value` is cut to its width. */
export type RegisterValue =
  | { readonly kind: 'register'; readonly name: string; readonly value: bigint }
  | { readonly kind: 'flag'; readonly name: FlagName; readonly value: bigint }

type AnyWanted =
  | { readonly kind: 'exits'; readonly exits: ExitPattern; readonly comparison: Comparison; readonly count: number }
  | { readonly kind: 'irqs'; readonly vector: number; readonly comparison: Comparison; readonly count: number }
  /** Every delivery of the vector. */
  | { readonly kind: 'irq-time'; readonly vector: number; readonly from: TimePoint; readonly to: TimePoint }
  /** Other events may lie between. */
  | { readonly kind: 'order'; readonly events: readonly EventPattern[] }
  | { readonly kind: 'never'; readonly event: EventPattern; readonly isTwice: boolean }
  | { readonly kind: 'budget'; readonly budget: Budget; readonly limit: number }
  /** Lines of the console, in this order; others may lie between. One that ends in `...` is the beginning of a line. */
  | { readonly kind: 'prints'; readonly lines: readonly string[] }
  | { readonly kind: 'same'; readonly by: Sameness; readonly cell: readonly Condition[] }
  | { readonly kind: 'golden' }
  /** Of the instructions of its own line. */
  | { readonly kind: 'no-exit' }
  | { readonly kind: 'exit'; readonly exits: ExitPattern }
  | { readonly kind: 'wakes'; readonly vector: number }
  | { readonly kind: 'value'; readonly wanted: RegisterValue }

export type Expectation = AnyWanted & {
  readonly place: Place
  /** All of them hold, or the expectation is not asked. */
  readonly when: readonly Condition[]
}

/** The expectations of one kind. */
export type Wanted<K extends Expectation['kind']> = Extract<Expectation, { kind: K }>

export interface GuestTestPlan {
  readonly name: string
  /** Of the directive that names the test; its cells stand on that line. */
  readonly place: Place
  readonly groups: readonly string[]
  readonly matrix: readonly Axis[]
  /** CPU features asked for (true) or taken away (false). */
  readonly features: Readonly<Record<string, boolean>>
  /** Mistakes of the posted series that KVM makes in every cell but those at L0, where there is no KVM. */
  readonly defects: readonly DefectName[]
  readonly expectations: readonly Expectation[]
  /** What the console receives before the guest starts. */
  readonly input: string
  readonly skip: string | null
  readonly only: boolean
  readonly fails: string | null
}

/** All combinations, the last axis fastest. Without a matrix there is one cell, with no axes. */
export function cellsOf(matrix: readonly Axis[]): readonly Cell[] {
  let cells: readonly Cell[] = [{}]
  for (const { name, values } of matrix) cells = cells.flatMap(cell => values.map(value => ({ ...cell, [name]: value })))
  return cells
}

/** `apic_timer_virt=1 level=L1`. */
export const cellLabel = (cell: Cell): string =>
  Object.entries(cell)
    .map(([axis, value]) => `${axis}=${value}`)
    .join(' ')

export const titleOf = ({ name }: GuestTestPlan, cell: Cell): string => {
  const label = cellLabel(cell)
  return label === '' ? name : `${name} [${label}]`
}

export const applies = ({ when }: Expectation, cell: Cell): boolean => when.every(({ axis, value }) => cell[axis] === value)
