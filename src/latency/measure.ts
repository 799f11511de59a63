/**
 * One run of a latency guest. The guest takes the samples itself, by its own RDTSC, and keeps them in its memory; they are read from
 * there when it has ended. Exits are counted while it runs, between its first sample and its last.
 */

import type { Image } from '../assembler/image.ts'
import { assert } from '../base/assert.ts'
import { bitField } from '../base/u64.ts'
import type { RunConfig } from '../session/config.ts'
import { guestQuadword } from '../session/guest-bytes.ts'
import type { GuestRun } from '../session/guest-run.ts'
import { type Progress, recordInSlices } from '../session/record.ts'
import type { TraceEvent } from '../spec/trace-events.ts'
import { EXIT_KINDS } from '../trace/exit-walk.ts'
import { type ExitRow, exitStatistics } from '../trace/statistics.ts'
import { RING } from './guests.ts'

export interface Measurement {
  /** Ticks from a deadline to the first RDTSC behind it, in the order taken. */
  readonly interrupts: readonly number[]
  /** Ticks that each wait took; none of a guest that does not measure them. */
  readonly waits: readonly number[]
  /** Exits for one timer, by level and reason. */
  readonly exitsPerTimer: readonly ExitShare[]
  readonly console: string
}

export interface ExitShare extends Pick<ExitRow, 'level' | 'reason' | 'msr'> {
  readonly perTimer: number
}

interface Places {
  readonly stats: number
  readonly samples: number
}

function labelOf(image: Image, name: string): number {
  const symbol = image.symbols.find(candidate => candidate.name === name && candidate.kind === 'label')
  assert(symbol !== undefined, `the guest has a label ${name}`)
  return Number(symbol.value)
}

/** Bytes of the counters of one kind of sample, the count first (drawn in asm/include/timer-latency.inc). */
const STATS_BYTES = 24

/** The samples of a kind: timer interrupts (0) or waits (1). */
function samplesOf(guest: GuestRun, { stats, samples }: Places, kind: 0 | 1): number[] {
  const count = Number(guestQuadword(guest, stats + kind * STATS_BYTES))
  assert(count <= RING, 'the guest keeps all samples')
  const at = samples + kind * RING * 4
  return Array.from({ length: count }, (_, index) => Number(bitField(guestQuadword(guest, at + 4 * index), 0, 32)))
}

/** An exit or entry, and how many samples there were by then. */
interface Counted {
  readonly event: TraceEvent
  readonly samples: number
}

/** Runs the guest to its end, slice by slice. */
export function* measure(config: RunConfig, image: Image): Generator<Progress, Measurement, boolean> {
  const places: Places = { stats: labelOf(image, 'latency_stats'), samples: labelOf(image, 'latency_samples') }
  const seen: Counted[] = []
  const printed: number[] = []
  const running: { guest: GuestRun | null } = { guest: null }
  const observe = (event: TraceEvent): void => {
    if (event.kind === 'console') printed.push(event.byte)
    if (!EXIT_KINDS.has(event.kind) || running.guest === null) return
    seen.push({ event, samples: Number(guestQuadword(running.guest, places.stats)) })
  }
  const started = (guest: GuestRun): void => {
    running.guest = guest
  }
  const { guest } = yield* recordInSlices(config, image, { observe, started })
  const interrupts = samplesOf(guest, places, 0)
  return {
    interrupts,
    waits: samplesOf(guest, places, 1),
    exitsPerTimer: exitsPerTimer(seen, interrupts.length),
    console: Buffer.from(printed).toString('latin1'),
  }
}

/** Exits between the first sample and the last one that was waited for as all others were. */
function exitsPerTimer(seen: readonly Counted[], samples: number): ExitShare[] {
  const [first, last] = [1, samples - 1]
  const inside = seen.filter(counted => counted.samples >= first && counted.samples < last).map(({ event }) => event)
  return exitStatistics(inside).map(({ level, reason, msr, samples: count }) => ({
    level,
    reason,
    ...(msr === undefined ? {} : { msr }),
    perTimer: count / (last - first),
  }))
}
