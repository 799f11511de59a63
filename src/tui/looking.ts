/** Keys that change what is looked at and leave the place where it is. */

import { compareWords } from './compare.ts'
import { EXIT_EVENTS } from './event-index.ts'
import { regionOf } from './layout.ts'
import { type ComparePoint, type Model, PANES, type StateView, type View } from './model.ts'
import { withCursorInSight } from './movement.ts'
import { scopeOf, zoomed } from './panes/timeline-scope.ts'

const VIEW_PARTS = [
  'place',
  'focus',
  'zoomed',
  'stateView',
  'filter',
  'folded',
  'eventsTop',
  'codeScroll',
  'stateAt',
  'compare',
  'vcpu',
  'vmcs',
  'span',
  'pan',
] as const satisfies readonly (keyof View)[]

/** The view that a model shows. */
export const viewOf = (model: View): View => Object.fromEntries(VIEW_PARTS.map(part => [part, model[part]])) as unknown as View

export function undo(model: Model): Model {
  const view = model.past.at(-1)
  if (view === undefined) return { ...model, notice: 'nothing to undo' }
  return withCursorInSight({ ...model, ...view, past: model.past.slice(0, -1) })
}

export function moveFocus(model: Model, direction: 1 | -1): Model {
  const at = PANES.indexOf(model.focus) + direction
  return withCursorInSight({ ...model, focus: PANES[(at + PANES.length) % PANES.length]! })
}

export const toggleZoom = (model: Model): Model => withCursorInSight({ ...model, zoomed: !model.zoomed })

/** The view comes into sight, whatever pane was. */
export function showView(model: Model, stateView: StateView): Model {
  const shown = { ...model, stateView, stateAt: 0 }
  return regionOf(shown, 'state') === undefined ? withCursorInSight({ ...shown, focus: 'state' }) : shown
}

/** The state of the next CPU, and behind the last of them of the one whose turn it is. */
export function showCpu(model: Model, direction: 1 | -1): Model {
  const { trace, vcpu } = model
  if (trace.cpus === 1) return { ...model, notice: 'the machine has one CPU' }
  const [count, at] = [trace.cpus + 1, vcpu ?? trace.cpus]
  const next = (at + direction + count) % count
  const shown = next === trace.cpus ? undefined : next
  const notice = shown === undefined ? 'code and state of the CPU whose turn it is' : `code and state of CPU ${shown}`
  return { ...model, vcpu: shown, stateAt: 0, codeScroll: 0, notice }
}

const NEXT: Readonly<Record<ComparePoint, ComparePoint>> = { previous: 'exit', exit: 'mark', mark: 'previous' }

export function nextCompare(model: Model): Model {
  const next = NEXT[model.compare]
  const compare = next === 'mark' && model.lastMark === '' ? 'previous' : next
  return { ...model, compare, notice: `* marks what differs from ${compareWords({ compare, lastMark: model.lastMark })}` }
}

/** The exit that the place is at or within; -1 outside. */
function exitAround({ trace, place }: Model): number {
  const { index } = trace
  const from = place.kind === 'event' ? place.index : trace.moment(place).eventIndex - 1
  if (from < 0 || from >= index.known) return -1
  if (EXIT_EVENTS.has(index.kindAt(from))) return from
  for (let at = from; at >= 0; at--) {
    if (index.cpus[at] !== index.cpus[from]) continue
    const isAround = EXIT_EVENTS.has(index.kindAt(at)) && index.partner[at]! >= from
    if (isAround) return at
    if (index.depths[at] === 0) return -1
  }
  return -1
}

export function fold(model: Model): Model {
  const exit = exitAround(model)
  if (exit < 0 || model.trace.index.partner[exit]! <= exit + 1) return { ...model, notice: 'there is no exit here to fold' }
  const folded = new Set(model.folded)
  const isOpening = folded.delete(exit)
  if (!isOpening) folded.add(exit)
  return withCursorInSight({ ...model, folded, place: isOpening ? model.place : { kind: 'event', index: exit } })
}

/** All exits, or none; of a trace that is not yet read to its end, those known. */
export function foldAll(model: Model): Model {
  if (model.folded.size > 0) return withCursorInSight({ ...model, folded: new Set() })
  const { index } = model.trace
  const isExit = index.names.map(name => EXIT_EVENTS.has(name))
  const folded = new Set<number>()
  for (let at = 0; at < index.known; at++) if (isExit[index.kinds[at]!] && index.partner[at]! > at + 1) folded.add(at)
  return withCursorInSight({ ...model, folded })
}

export const zoomTimeline = (model: Model, factor: 2 | 0.5): Model => ({ ...model, span: zoomed(model, factor) })

/** By a quarter of what is shown. */
export function pan(model: Model, direction: 1 | -1): Model {
  const { from, to } = scopeOf(model, 100)
  return { ...model, pan: model.pan + (direction * (to - from)) / 4 }
}
