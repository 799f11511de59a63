/** Spans of time as expectations say them: of the host's TSC, or of the clock. */

import type { TimePoint } from './plan.ts'

export type TimeSpan = Pick<TimePoint, 'offset' | 'unit'>

/** Cycles of the host's TSC. */
export const cycles = (offset: number): TimeSpan => ({ offset, unit: 'cyc' })

export const nanoseconds = (offset: number): TimeSpan => ({ offset, unit: 'ns' })

export const microseconds = (offset: number): TimeSpan => ({ offset, unit: 'us' })
