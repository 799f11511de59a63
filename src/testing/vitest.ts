/**
 * What `vtick/vitest` promises: the plugin that runs `*.guest.asm` files, and guests, matchers and a snapshot serializer for tests in
 * TypeScript. `vtick/vitest/setup`, named in `setupFiles`, gives the latter two to vitest.
 */

export type { CellRun, OutputLine } from './cell-run.ts'
export type { Exit } from './exits.ts'
export { type Guest, type GuestOptions, guest } from './guest.ts'
export { type MatcherResult, matchers } from './matchers.ts'
export type { ExitPattern } from './plan.ts'
export { default, type GuestTestOptions, guestCoverage } from './plugin.ts'
export type { CoverageForm } from './reporters/coverage.ts'
export { serializer } from './serializer.ts'
export type { Irq, Moment, TestedRun } from './tested-run.ts'
export { cycles, microseconds, nanoseconds, type TimeSpan } from './time-span.ts'
export type { Mark, WalkFacts } from './walk-facts.ts'
