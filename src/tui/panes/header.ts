/** The first line: which file, where in it, whose turn it is, and what decides how the guest runs. */

import { formatPosition } from '../../query/position.ts'
import { runningLevel } from '../compare.ts'
import { fit, grouped, type Line, type Span, span, widthOf } from '../lines.ts'
import type { Model } from '../model.ts'
import { tickOf } from './timeline-scope.ts'

/** The parts in the order of the line; those with the highest number go first when there is no room. */
function parts(model: Model): readonly (readonly [rank: number, span: Span])[] {
  const { trace, place, marks, lastMark } = model
  const all = place.kind === 'event' ? trace.count : trace.instructions
  const diverged = trace.divergedAt()
  const mark = marks.get(lastMark)
  const since = mark === undefined ? 0 : tickOf(model) - tickOf({ trace, place: mark })
  return [
    [6, span('vtick')],
    [1, span(trace.name, 'strong')],
    [0, span(`${formatPosition(place)}${all === Number.POSITIVE_INFINITY ? '' : `/${all}`}`, 'strong')],
    ...(trace.isThere(place) ? momentParts(model) : []),
    ...(mark === undefined ? [] : ([[4, span(`(${since < 0 ? '' : '+'}${grouped(since)} since mark '${lastMark})`)]] as const)),
    [1, span(trace.mode)],
    ...(model.isStale ? ([[0, span('SOURCE CHANGED, R runs it', 'warning')]] as const) : []),
    ...(trace.truncated === undefined ? [] : ([[0, span('TRUNCATED', 'warning')]] as const)),
    ...(diverged < 0 ? [] : ([[0, span(`REPLAY DIFFERS AT #${diverged}`, 'warning')]] as const)),
  ]
}

function momentParts(model: Model): ReturnType<typeof parts> {
  const { trace, place, vcpu } = model
  const { tick, instructions, eventIndex, cpu } = trace.moment(place, vcpu)
  return [
    [5, span(place.kind === 'event' ? `i:${instructions}` : eventIndex === 0 ? 'before #0' : `after #${eventIndex - 1}`)],
    [2, span(`L${runningLevel(model)}`)],
    ...(trace.cpus === 1 ? [] : ([[2, span(`cpu${cpu}${vcpu === undefined ? '' : ' shown'}`)]] as const)),
    [3, span(`tick ${grouped(tick)}`)],
  ]
}

export function headerLine(model: Model, width: number): Line {
  let shown = [...parts(model)]
  const room = (): number => shown.reduce((sum, [, { text }]) => sum + widthOf(text) + 2, -1)
  while (room() > width && shown.length > 1) {
    const worst = Math.max(...shown.map(([rank]) => rank))
    if (worst === 0) break
    const at = shown.findLastIndex(([rank]) => rank === worst)
    shown = shown.filter((_, position) => position !== at)
  }
  return fit(
    shown.flatMap(([, part], position) => [span(position === 0 ? ' ' : '  '), part]),
    width,
  )
}
