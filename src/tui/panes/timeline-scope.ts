/** Which stretch of the run the timeline shows. */

import { grouped } from '../lines.ts'
import type { Model } from '../model.ts'
import type { TraceSource } from '../trace-source.ts'

export interface Scope {
  readonly from: number
  readonly to: number
  /** For the title. */
  readonly words: string
}

/** A run of more events than this is not shown whole at first, but so many around the place. */
const MOST_EVENTS = 4000
const AROUND = 400

/** The levels that have a lane for each CPU; L2 of several CPUs only where there is one. */
export const laneLevels = ({ cpus, index }: TraceSource): readonly (0 | 1 | 2)[] =>
  cpus === 1 || index.names.includes('kvm_nested_vmenter') ? [0, 1, 2] : [0, 1]

/** Rows that all of it takes. */
export const timelineRows = (trace: TraceSource): number => trace.cpus * (laneLevels(trace).length + 1) + 1

type Scoped = Pick<Model, 'trace' | 'place' | 'span' | 'pan'>

/** As many ticks as seem fit: the whole run, or some hundred events. */
function fittingSpan({ trace, place }: Scoped): number {
  const end = trace.event(trace.count - 1).tick
  if (trace.count <= MOST_EVENTS) return Math.max(1, end)
  const index = Math.min(trace.eventBehind(place), trace.count - 1)
  const first = trace.event(Math.max(0, index - AROUND)).tick
  const last = trace.event(Math.min(trace.count - 1, index + AROUND)).tick
  return 2 ** Math.ceil(Math.log2(Math.max(1, last - first)))
}

/** When the place is: about, while the guest runs to it. */
export function tickOf({ trace, place }: Pick<Model, 'trace' | 'place'>): number {
  if (place.kind === 'event' || trace.isThere(place)) return trace.tick(place)
  return trace.event(Math.min(trace.eventBehind(place), trace.count - 1)).tick
}

/** The stretch moves by halves of itself only, so that it stands still while one steps. */
export function scopeOf(model: Scoped, columns: number): Scope {
  const end = Math.max(1, model.trace.event(model.trace.count - 1).tick)
  const span = Math.min(end, model.span === 0 ? fittingSpan(model) : model.span)
  const tick = tickOf(model)
  const half = span / 2
  const wanted = Math.floor(tick / half) * half - half / 2 + model.pan
  const from = Math.round(Math.min(Math.max(wanted, 0), end - span))
  const each = span / columns
  return {
    from,
    to: from + span,
    words: `ticks ${grouped(from)} to ${grouped(Math.round(from + span))}, ${each < 10 ? each.toFixed(1) : grouped(Math.round(each))} each`,
  }
}

/** Ticks. */
const SHORTEST = 64

/** The span that is twice or half as long; the run's at most. */
export function zoomed(model: Scoped, factor: 2 | 0.5): number {
  const { from, to } = scopeOf(model, 100)
  const end = Math.max(1, model.trace.event(model.trace.count - 1).tick)
  return Math.min(end, Math.max(SHORTEST, (to - from) * factor))
}
