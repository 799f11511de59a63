/**
 * The run in one line for each level of each CPU: how much of each stretch of time it had the CPU. Under a CPU's lanes stands what
 * happened in the stretch, the most telling of it; under all of them the place with the marks.
 *
 *     L0 ░    ░    ▒
 *     L1 █████████░██
 *        e    a    i       exit e; timer armed a, fired f; interrupt injected i
 */

import type { EventKind } from '../../spec/trace-events.ts'
import { fit, type Line, type Span, span, type Tone } from '../lines.ts'
import type { Model } from '../model.ts'
import type { TraceSource } from '../trace-source.ts'
import { laneLevels, scopeOf, tickOf } from './timeline-scope.ts'

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

/** A CPU in the stretches of time. */
interface Lanes {
  /** Ticks of each level. */
  readonly ticks: readonly [Float64Array, Float64Array, Float64Array]
  /** Position in SIGNS, one more; 0 for nothing. */
  readonly signs: Uint8Array
}

const cache = new WeakMap<TraceSource, { key: string; lanes: readonly Lanes[] }>()

function lanesOf(trace: TraceSource, from: number, to: number, columns: number): readonly Lanes[] {
  const key = `${from} ${to} ${columns} ${trace.index.known}`
  const kept = cache.get(trace)
  if (kept?.key === key) return kept.lanes
  const lanes = measured(trace, from, to, columns)
  cache.set(trace, { key, lanes })
  return lanes
}

/** One pass over the events of the stretch. */
function measured({ index, cpus }: TraceSource, from: number, to: number, columns: number): readonly Lanes[] {
  const lanes = Array.from({ length: cpus }, (): Lanes => {
    const ticks = [new Float64Array(columns), new Float64Array(columns), new Float64Array(columns)] as const
    return { ticks, signs: new Uint8Array(columns) }
  })
  const each = (to - from) / columns
  const ranks = index.names.map(name => SIGNS.findIndex(([, , kinds]) => kinds.has(name)) + 1)
  const spend = ({ ticks }: Lanes, level: number, start: number, end: number): void => {
    let at = start
    for (let column = Math.floor((start - from) / each); at < end && column < columns; column++) {
      const next = column === columns - 1 ? end : Math.min(end, from + (column + 1) * each)
      ticks[level as 0 | 1 | 2][column]! += Math.max(0, next - at)
      at = Math.max(at, next)
    }
  }
  const first = index.indexAtTick(from)
  const now = lanes.map((_, cpu) => ({ level: index.levelBefore(first, cpu), tick: from }))
  for (let at = first; at < index.known && index.ticks[at]! <= to; at++) {
    const [lane, state, tick] = [lanes[index.cpus[at]!]!, now[index.cpus[at]!]!, index.ticks[at]!]
    spend(lane, state.level, state.tick, tick)
    state.tick = tick
    state.level = index.running[at]!
    const rank = ranks[index.kinds[at]!]!
    const column = Math.min(columns - 1, Math.floor((tick - from) / each))
    if (rank > 0 && (lane.signs[column] === 0 || rank < lane.signs[column]!)) lane.signs[column] = rank
  }
  if (index.isWhole) for (const [cpu, { level, tick }] of now.entries()) spend(lanes[cpu]!, level, tick, Math.min(to, index.ticks.at(-1)!))
  return lanes
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

function laneLine({ ticks }: Lanes, level: 0 | 1 | 2, name: string): Line {
  const cells = Array.from(ticks[0], (_, column) => {
    const all = ticks[0][column]! + ticks[1][column]! + ticks[2][column]!
    const share = all === 0 ? 0 : ticks[level][column]! / all
    return span(SHADES[share === 0 ? 0 : Math.max(1, Math.round(share * 4))]!, share === 0 ? 'dim' : LANE_TONES[level])
  })
  return [span(name, 'dim'), ...joined(cells)]
}

function signLine({ signs }: Lanes): Line {
  const cells = Array.from(signs, rank => (rank === 0 ? span(' ') : span(SIGNS[rank - 1]![0], SIGNS[rank - 1]![1])))
  return [span('    ', 'dim'), ...joined(cells)]
}

/** As many CPUs as there is room for, the one that is shown among them. */
function shownCpus({ trace, place, vcpu }: Model, rows: number): readonly number[] {
  const room = Math.max(1, Math.floor((rows - 1) / (laneLevels(trace).length + 1)))
  const shown = vcpu ?? (trace.cpus > room && trace.isThere(place) ? trace.moment(place).cpu : 0)
  const first = Math.min(shown, Math.max(0, trace.cpus - room))
  return Array.from({ length: Math.min(room, trace.cpus) }, (_, at) => first + at)
}

/** The place as `^`, the marks as their letters. */
function cursorLine({ trace, place, marks }: Model, from: number, to: number, columns: number): Line {
  const cells = Array.from({ length: columns }, () => ' ')
  const put = (tick: number, sign: string): void => {
    const column = Math.floor(((tick - from) / (to - from)) * columns)
    if (column >= 0 && column <= columns) cells[Math.min(column, columns - 1)] = sign
  }
  for (const [letter, marked] of marks) put(tickOf({ trace, place: marked }), letter)
  put(tickOf({ trace, place }), '^')
  return [span('    '), span(cells.join(''), 'strong')]
}

export function timelineLines(model: Model, width: number, rows: number): readonly Line[] {
  const columns = width - LABEL
  const { from, to } = scopeOf(model, columns)
  const all = lanesOf(model.trace, from, to, columns)
  const legend: Line = [span('    e exit  a timer armed  f fired  i interrupt  ^ here', 'dim')]
  const lines = shownCpus(model, rows).flatMap(cpu => [
    ...laneLevels(model.trace).map(level => laneLine(all[cpu]!, level, `${model.trace.cpus === 1 ? ' ' : cpu}L${level} `)),
    signLine(all[cpu]!),
  ])
  return [...lines, cursorLine(model, from, to, columns), legend].slice(0, rows).map(line => fit(line, width))
}
