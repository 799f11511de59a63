/** What the directives of a guest test ask for: plain data, made by the parser and read by everything else in this folder. */

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
  readonly kind: 'parameter' | 'feature' | 'level'
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

/** insns: instructions that the CPU retired, so not those that KVM emulated; cycles: of the host's TSC, from the machine's start. */
export const BUDGETS = ['insns', 'exits', 'cycles'] as const
export type Budget = (typeof BUDGETS)[number]

type Wanted =
  | { readonly kind: 'exits'; readonly exits: ExitPattern; readonly comparison: Comparison; readonly count: number }
  | { readonly kind: 'never'; readonly exits: ExitPattern }
  | { readonly kind: 'budget'; readonly budget: Budget; readonly limit: number }
  /** Of the instructions of its own line. */
  | { readonly kind: 'no-exit' }
  | { readonly kind: 'exit'; readonly exits: ExitPattern }

export type Expectation = Wanted & {
  readonly place: Place
  /** All of them hold, or the expectation is not asked. */
  readonly when: readonly Condition[]
}

export interface GuestTestPlan {
  readonly name: string
  /** Of the directive that names the test; its cells stand on that line. */
  readonly place: Place
  readonly groups: readonly string[]
  readonly matrix: readonly Axis[]
  /** CPU features asked for (true) or taken away (false). */
  readonly features: Readonly<Record<string, boolean>>
  readonly expectations: readonly Expectation[]
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
