/**
 * The run in one line for each level: how much of each stretch of time it had the CPU. Under the lanes stand what happened in the
 * stretch, the most telling of it, and the place with the marks.
 *
 *     L0 ░    ░    ▒       a exit   e
 *     L1 █████████░██      a timer armed a, fired f; an interrupt injected i
 */

import type { EventKind } from '../../spec/trace-events.ts'
import { fit, type Line, type Span, span, type Tone } from '../lines.ts'
import type { Model } from '../model.ts'
import type { TraceSource } from '../trace-source.ts'
import { scopeOf } from './timeline-scope.ts'

/** What is shown of a stretch in which several happened: the first of these. */
const SIGNS: readonly (readonly [sign: string, tone: Tone, kinds: ReadonlySet<EventKind>])[] = [
  ['i', 'interrupt', new Set<EventKind>(['kvm_inj_virq', 'interrupt'])],
  ['f', 'timer', new Set<EventKind>(['apic_timer_fire', 'hrtimer_expire_entry'])],
  ['a', 'timer', new Set<EventKind>(['apic_timer_arm', 'hrtimer_start'])],
  ['e', 'exit', new Set<EventKind>(['kvm_exit', 'vmx_exit'])],
]

const SHADES = ['·', '░', '▒', '▓', '█'] as const
const LANE_TONES = ['level0', 'level1', 'level2'] as const
const LABEL = 4

interface Stretch {
  /** Ticks of each level. */
  readonly ticks: readonly [Float64Array, Float64Array, Float64Array]
  /** Position in SIGNS, one more; 0 for nothing. */
  readonly signs: Uint8Array
}

const cache = new WeakMap<TraceSource, { key: string; stretch: Stretch }>()

function stretchOf(trace: TraceSource, from: number, to: number, columns: number): Stretch {
  const key = `${from} ${to} ${columns} ${trace.index.known}`
  const kept = cache.get(trace)
  if (kept?.key === key) return kept.stretch
  const stretch = measured(trace, from, to, columns)
  cache.set(trace, { key, stretch })
  return stretch
}

/** One pass over the events of the stretch. */
function measured({ index }: TraceSource, from: number, to: number, columns: number): Stretch {
  const ticks = [new Float64Array(columns), new Float64Array(columns), new Float64Array(columns)] as const
  const signs = new Uint8Array(columns)
  const each = (to - from) / columns
  const ranks = index.names.map(name => SIGNS.findIndex(([, , kinds]) => kinds.has(name)) + 1)
  const spend = (level: number, start: number, end: number): void => {
    for (let at = start; at < end; ) {
      const column = Math.min(columns - 1, Math.floor((at - from) / each))
      const next = column === columns - 1 ? end : Math.min(end, from + (column + 1) * each)
      ticks[level as 0 | 1 | 2][column]! += next - at
      if (next <= at) return
      at = next
    }
  }
  const first = index.indexAtTick(from)
  let level = first === 0 ? 0 : index.running[first - 1]!
  let tick = from
  for (let at = first; at < index.known && index.ticks[at]! <= to; at++) {
    spend(level, tick, index.ticks[at]!)
    tick = index.ticks[at]!
    level = index.running[at]!
    const rank = ranks[index.kinds[at]!]!
    const column = Math.min(columns - 1, Math.floor((tick - from) / each))
    if (rank > 0 && (signs[column] === 0 || rank < signs[column]!)) signs[column] = rank
  }
  if (index.isWhole) spend(level, tick, Math.min(to, index.ticks.at(-1)!))
  return { ticks, signs }
}

/** Neighbours of one tone as one piece. */
function joined(cells: readonly Span[]): Line {
  const spans: Span[] = []
  for (const { text, tone } of cells) {
    const last = spans.at(-1)
    if (last?.tone === tone) spans[spans.length - 1] = span(last.text + text, tone)
    else spans.push(span(text, tone))
  }
  return spans
}

function laneLine({ ticks }: Stretch, level: 0 | 1 | 2, columns: number): Line {
  const cells = Array.from({ length: columns }, (_, column) => {
    const all = ticks[0][column]! + ticks[1][column]! + ticks[2][column]!
    const share = all === 0 ? 0 : ticks[level][column]! / all
    return span(SHADES[share === 0 ? 0 : Math.max(1, Math.round(share * 4))]!, share === 0 ? 'dim' : LANE_TONES[level])
  })
  return [span(` L${level} `, 'dim'), ...joined(cells)]
}

function signLine({ signs }: Stretch): Line {
  const cells = Array.from(signs, rank => (rank === 0 ? span(' ') : span(SIGNS[rank - 1]![0], SIGNS[rank - 1]![1])))
  return [span('    ', 'dim'), ...joined(cells)]
}

/** The place as `^`, the marks as their letters. */
function cursorLine({ trace, place, marks }: Model, from: number, to: number, columns: number): Line {
  const cells = Array.from({ length: columns }, () => ' ')
  const put = (tick: number, sign: string): void => {
    const column = Math.floor(((tick - from) / (to - from)) * columns)
    if (column >= 0 && column <= columns) cells[Math.min(column, columns - 1)] = sign
  }
  for (const [letter, marked] of marks) put(trace.moment(marked).tick, letter)
  put(trace.moment(place).tick, '^')
  return [span('    '), span(cells.join(''), 'strong')]
}

export function timelineLines(model: Model, width: number, rows: number): readonly Line[] {
  const columns = width - LABEL
  const { from, to } = scopeOf(model, columns)
  const stretch = stretchOf(model.trace, from, to, columns)
  const legend: Line = [span('    shade: share of the time  e exit  a timer armed  f fired  i interrupt  ^ here', 'dim')]
  const lines = [
    laneLine(stretch, 0, columns),
    laneLine(stretch, 1, columns),
    laneLine(stretch, 2, columns),
    signLine(stretch),
    cursorLine(model, from, to, columns),
    ...(rows > 6 ? [legend] : []),
  ]
  return lines.map(line => fit(line, width))
}
