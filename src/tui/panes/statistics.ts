/** Exits counted and timed, as `vtick stat` has them, with the spread of their times; a row leads to the longest exit of its kind. */

import { basicExitReason } from '../../spec/exit-reasons.ts'
import { type ExitRow, exitLabel, exitStatisticsOf } from '../../trace/statistics.ts'
import { cut, grouped, type Line, pad, span } from '../lines.ts'
import type { Model } from '../model.ts'
import type { OverlayScreen } from '../overlay-screen.ts'
import type { TraceSource } from '../trace-source.ts'

interface Shown {
  readonly row: ExitRow
  /** How many took 2^n to 2^(n+1) cycles. */
  readonly spread: readonly number[]
  readonly longest: number
}

const cache = new WeakMap<TraceSource, { known: number; shown: readonly Shown[] }>()

function shownOf(trace: TraceSource): readonly Shown[] {
  const kept = cache.get(trace)
  if (kept?.known === trace.index.known) return kept.shown
  const rows = exitStatisticsOf(trace.reader)
  const shown = rows.map(row => ({ row, ...spreadOf(trace, row) }))
  cache.set(trace, { known: trace.index.known, shown })
  return shown
}

const EXITS = new Set(['kvm_exit', 'vmx_exit'] as const)

function spreadOf({ reader, index }: TraceSource, { level, reasonNumber }: ExitRow): Pick<Shown, 'spread' | 'longest'> {
  const spread: number[] = []
  let longest = -1
  let most = -1
  for (let n = 0; n < reader.chunkCount; n++) {
    const chunk = reader.chunk(n, EXITS)
    const start = reader.chunkStart(n)
    const next = new Uint32Array(chunk.tables.length)
    for (let at = 0; at < chunk.count && start + at < index.known; at++) {
      const table = chunk.tables[chunk.kinds[at]!]!
      const row = next[chunk.kinds[at]!]!++
      if (!EXITS.has(table.kind as 'kvm_exit') || chunk.levels[at] !== level) continue
      if (basicExitReason((table.columns[table.fields.indexOf('reason')] as Uint32Array)[row]!) !== reasonNumber) continue
      const entry = index.partner[start + at]!
      if (entry === 0) continue
      const took = index.ticks[entry]! - index.ticks[start + at]!
      const bucket = Math.floor(Math.log2(Math.max(1, took)))
      spread[bucket] = (spread[bucket] ?? 0) + 1
      if (took > most) [most, longest] = [took, start + at]
    }
  }
  return { spread, longest }
}

const BARS = ['·', '░', '▒', '▓', '█']
const FIRST = 8
const LAST = 24

/** One sign for each power of two of cycles. */
function spreadText(spread: readonly number[]): string {
  const most = Math.max(1, ...spread.map(count => count ?? 0))
  return Array.from({ length: LAST - FIRST + 1 }, (_, at) => {
    const count = spread[FIRST + at] ?? 0
    return BARS[count === 0 ? 0 : Math.max(1, Math.ceil((count / most) * 4))]
  }).join('')
}

/** Of the names, at most and at least; the columns behind them in columns of the screen. */
const NAME = 46
const LEAST_NAME = 26
const COUNTS = 36
const EXTREMES = 20
const SPREAD = LAST - FIRST + 1

export function statisticsScreen({ trace }: Model, width: number): OverlayScreen {
  const shown = shownOf(trace)
  const samples = shown.reduce((sum, { row }) => sum + row.samples, 0)
  const ticks = shown.reduce((sum, { row }) => sum + row.ticks, 0)
  const percent = (part: number, whole: number): string => `${((100 * part) / Math.max(1, whole)).toFixed(1)}%`
  // What a narrow screen has no room for is left out whole: the extremes before the spread, the average never.
  const hasSpread = width >= LEAST_NAME + COUNTS + SPREAD
  const hasExtremes = width >= LEAST_NAME + COUNTS + SPREAD + EXTREMES
  const rest = COUNTS + (hasSpread ? SPREAD : 0) + (hasExtremes ? EXTREMES : 0)
  const name = Math.min(NAME, width - rest)
  const columns = (count: string, share: string, time: string, [min, max, avg]: readonly [string, string, string]): string =>
    `${count.padStart(9)} ${share.padStart(6)} ${time.padStart(6)}${hasExtremes ? `${min.padStart(9)} ${max.padStart(10)}` : ''} ${avg.padStart(9)}  `
  const line = ({ row, spread }: Shown): Line => [
    span(` ${pad(cut(exitLabel(row), name), name)}`, 'exit'),
    span(
      columns(grouped(row.samples), percent(row.samples, samples), percent(row.ticks, ticks), [
        grouped(row.min),
        grouped(row.max),
        grouped(Math.round(row.avg)),
      ]),
    ),
    ...(hasSpread ? [span(spreadText(spread), 'timer')] : []),
  ]
  const head: Line = [
    span(` ${`${grouped(samples)} exits, in cycles`.padEnd(name)}${columns('samples', '%', 'time%', ['min', 'max', 'avg'])}`, 'dim'),
    ...(hasSpread ? [span(`2^${FIRST} .. 2^${LAST}`, 'dim')] : []),
  ]
  return {
    title: 'statistics',
    rows: [
      { line: head, target: null },
      ...shown.map(row => ({ line: line(row), target: row.longest < 0 ? null : ({ kind: 'event', index: row.longest } as const) })),
    ],
  }
}
