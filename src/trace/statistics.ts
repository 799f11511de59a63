/**
 * VM exits counted and timed, with the columns of `perf kvm stat`: per level, reason and, for RDMSR and WRMSR, the MSR's
 * index. The time of an exit runs to the next VM entry of the same CPU, so an exit for HLT contains the sleep. Under KVM the
 * index comes from the `kvm_msr` between exit and entry; on the bare CPU nobody says it.
 */

import { basicExitReason, exitReasonName } from '../spec/exit-reasons.ts'
import type { EventKind, TraceEvent } from '../spec/trace-events.ts'
import { MSR_REASONS } from './exit-msrs.ts'
import { msrLabel } from './format.ts'
import { groupedNumber, textTable } from './table.ts'

export interface ExitRow {
  /** Whose exit it is. */
  readonly level: number
  /** Basic exit reason, as a number and in trace-cmd's word. */
  readonly reasonNumber: number
  readonly reason: string
  readonly msr?: number
  readonly samples: number
  /** Ticks from exit to entry, over the exits that an entry followed. */
  readonly ticks: number
  readonly min: number
  readonly max: number
  readonly avg: number
}

interface Tally {
  readonly level: number
  readonly reason: number
  readonly msr: number | undefined
  samples: number
  timed: number
  ticks: number
  min: number
  max: number
}

interface OpenExit {
  readonly level: number
  readonly reason: number
  readonly tick: number
  msr: number | undefined
}

/** The events that statistics look at: what to ask a big trace for. */
export const EXIT_KINDS: ReadonlySet<EventKind> = new Set(['kvm_exit', 'kvm_entry', 'kvm_msr', 'vmx_exit', 'vmx_entry'])

/** The exits of a run, most frequent first. */
export function exitStatistics(events: Iterable<TraceEvent>): ExitRow[] {
  const tallies = new Map<string, Tally>()
  const open = new Map<number, OpenExit>()
  const close = (cpu: number, tick: number | undefined): void => {
    const exit = open.get(cpu)
    if (exit) count(tallies, exit, tick === undefined ? undefined : tick - exit.tick)
    open.delete(cpu)
  }
  for (const event of events) {
    switch (event.kind) {
      case 'kvm_exit':
      case 'vmx_exit':
        close(event.cpu, undefined)
        open.set(event.cpu, { level: event.level, reason: basicExitReason(event.reason), tick: event.tick, msr: undefined })
        break
      case 'kvm_msr': {
        const exit = open.get(event.cpu)
        if (exit && MSR_REASONS.has(exit.reason)) exit.msr ??= event.index
        break
      }
      case 'kvm_entry':
      case 'vmx_entry':
        close(event.cpu, event.tick)
        break
    }
  }
  for (const cpu of [...open.keys()]) close(cpu, undefined)
  return [...tallies.values()].map(rowOf).sort(mostFrequentFirst)
}

function count(tallies: Map<string, Tally>, { level, reason, msr }: OpenExit, ticks: number | undefined): void {
  const key = `${level} ${reason} ${msr}`
  let tally = tallies.get(key)
  if (!tally) {
    tally = { level, reason, msr, samples: 0, timed: 0, ticks: 0, min: Number.POSITIVE_INFINITY, max: 0 }
    tallies.set(key, tally)
  }
  tally.samples++
  if (ticks === undefined) return
  tally.timed++
  tally.ticks += ticks
  tally.min = Math.min(tally.min, ticks)
  tally.max = Math.max(tally.max, ticks)
}

const rowOf = ({ level, reason, msr, samples, timed, ticks, min, max }: Tally): ExitRow => ({
  level,
  reasonNumber: reason,
  reason: exitReasonName(reason),
  ...(msr === undefined ? {} : { msr }),
  samples,
  ticks,
  min: timed === 0 ? 0 : min,
  max,
  avg: timed === 0 ? 0 : ticks / timed,
})

const mostFrequentFirst = (a: ExitRow, b: ExitRow): number =>
  b.samples - a.samples || a.level - b.level || a.reasonNumber - b.reasonNumber || (a.msr ?? -1) - (b.msr ?? -1)

/** How many exits there are of a level, a reason and an MSR; what is not given is not asked. */
export const exitCount = (rows: readonly ExitRow[], { level, reason, msr }: { level?: number; reason?: string; msr?: number }): number =>
  rows
    .filter(row => (level ?? row.level) === row.level && (reason ?? row.reason) === row.reason && (msr ?? row.msr) === row.msr)
    .reduce((sum, { samples }) => sum + samples, 0)

/** `L1 MSR_WRITE 6e0 (IA32_TSC_DEADLINE)`. */
export const exitLabel = ({ level, reason, msr }: Pick<ExitRow, 'level' | 'reason' | 'msr'>): string =>
  `L${level} ${reason}${msr === undefined ? '' : ` ${msrLabel(msr)}`}`

const share = (part: number, whole: number): number => (whole === 0 ? 0 : (100 * part) / whole)

const total = (rows: readonly ExitRow[], of: 'samples' | 'ticks'): number => rows.reduce((sum, row) => sum + row[of], 0)

/** The table for people. Times are cycles of the host TSC. */
export function statisticsText(rows: readonly ExitRow[]): string {
  if (rows.length === 0) return 'no VM exits'
  const samples = total(rows, 'samples')
  const ticks = total(rows, 'ticks')
  const percent = (part: number, whole: number): string => `${share(part, whole).toFixed(2)}%`
  const lines = rows.map(row => [
    exitLabel(row),
    groupedNumber(row.samples),
    percent(row.samples, samples),
    percent(row.ticks, ticks),
    groupedNumber(row.min),
    groupedNumber(row.max),
    groupedNumber(row.avg),
  ])
  const sum = ['total', groupedNumber(samples), '', '', '', '', '']
  return textTable([['event', 'samples', 'samples%', 'time%', 'min', 'max', 'avg cycles'], ...lines, sum], 1)
}

/** The same for programs: `vtick stat --json`. */
export function statisticsJson(rows: readonly ExitRow[]): { readonly version: 1; readonly rows: readonly object[] } {
  const samples = total(rows, 'samples')
  const ticks = total(rows, 'ticks')
  return {
    version: 1,
    rows: rows.map(row => ({
      level: row.level,
      reason: row.reason,
      ...(row.msr === undefined ? {} : { msr: row.msr }),
      samples: row.samples,
      samples_percent: share(row.samples, samples),
      time_percent: share(row.ticks, ticks),
      ticks: row.ticks,
      min: row.min,
      max: row.max,
      avg: row.avg,
    })),
  }
}
