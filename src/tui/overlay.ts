/** Rows up and down, in the focused pane or in the screen over the panes; and what opens and closes those screens. */

import { otherTrace, PROJECTIONS } from './comparison.ts'
import { eventPaneRows, overlayRows } from './layout.ts'
import { pan, undo } from './looking.ts'
import type { Model, Overlay } from './model.ts'
import { goTo, jumpTo, withCursorInSight } from './movement.ts'
import { hunkStarts } from './panes/diff.ts'
import { overlayRowsOf } from './panes/overlay.ts'
import { moveInState } from './panes/state.ts'
import { eventFrom } from './rows.ts'
import { ask } from './why.ts'

const MOST_SCROLL = 60
const between = (low: number, value: number, high: number): number => Math.min(Math.max(value, low), high)

/** Rows of the focused pane; the rows of the event list are places. */
export function moveRow(model: Model, rows: number): Model {
  const { overlay } = model
  if (overlay !== null) {
    const last = Math.max(0, overlayRowsOf(model).length - 1)
    return { ...model, overlay: { ...overlay, at: between(0, overlay.at + rows, last) } }
  }
  switch (model.focus) {
    case 'events': {
      const index = eventFrom(model, rows)
      return index < 0 ? model : goTo(model, { kind: 'event', index })
    }
    case 'code':
      return { ...model, codeScroll: between(-MOST_SCROLL, model.codeScroll + rows, MOST_SCROLL) }
    case 'state':
      return moveInState(model, rows)
    case 'timeline':
      return pan(model, rows > 0 ? 1 : -1)
  }
}

export function movePage(model: Model, direction: 1 | -1): Model {
  const rows = model.overlay === null ? eventPaneRows(model) : overlayRows(model.size)
  return moveRow(model, direction * Math.max(1, Math.floor(rows / 2)))
}

export function toEdge(model: Model, direction: 1 | -1): Model {
  if (model.overlay !== null) return moveRow(model, direction * Number.MAX_SAFE_INTEGER)
  return jumpTo(model, { kind: 'event', index: direction === 1 ? model.trace.count - 1 : 0 })
}

export const openOverlay = (model: Model, screen: Overlay['screen']): Model => ({ ...model, overlay: { screen, at: 0 } })

/** One level out: what still goes on, the screen over the panes, the filter, what was scrolled. */
export function backOut(model: Model): Model {
  if (model.journey !== null) return { ...model, journey: null, notice: 'stopped' }
  if (model.rerun !== null) return { ...model, rerun: null, notice: 'stopped' }
  if (model.seeking !== null) return { ...model, seeking: null, notice: 'stopped' }
  if (model.overlay !== null) return { ...model, overlay: model.overlay.behind ?? null }
  if (!model.trace.isThere(model.place)) return turnBack(model)
  if (model.zoomed) return withCursorInSight({ ...model, zoomed: false })
  if (model.filter !== '') return withCursorInSight({ ...model, filter: '' })
  return withCursorInSight({ ...model, codeScroll: 0, stateAt: 0, pan: 0, span: 0 })
}

/** To where one came from, when the guest takes too long to run to a place; to the beginning where one came from nowhere. */
const turnBack = (model: Model): Model => ({
  ...(model.past.length > 0 ? undo(model) : goTo(model, { kind: 'event', index: 0 })),
  notice: 'stopped',
})

/** Goes to what the row of the screen is about; on the main screen Enter is a step into sight. */
export function choose(model: Model): Model {
  const { overlay } = model
  if (overlay === null) return backOut({ ...model, filter: '' })
  const row = overlayRowsOf(model)[overlay.at]
  if (row?.question !== undefined) return ask(model, row.question)
  return row === undefined || row.target === null ? model : jumpTo({ ...model, overlay: null }, row.target)
}

/** Compares with a trace; without one, types the command for the person to end. */
export function openDiff(model: Model, other: string): Model | string {
  const reader = otherTrace(other)
  return typeof reader === 'string' ? reader : { ...model, overlay: { screen: 'diff', at: 0, other } }
}

export const swapSides = (model: Model): Model => ({
  ...model,
  overlay: { ...model.overlay!, swapped: model.overlay!.swapped !== true, at: 0 },
})

export function nextProjection(model: Model): Model {
  const { by = 'exits' } = model.overlay!
  const next = PROJECTIONS[(PROJECTIONS.indexOf(by) + 1) % PROJECTIONS.length]!
  return { ...model, overlay: { ...model.overlay!, by: next, at: 0 } }
}

/** To the next or previous hunk. */
export function nextHunk(model: Model, direction: 1 | -1): Model {
  const { at } = model.overlay!
  const starts = hunkStarts(model)
  const found = direction === 1 ? starts.find(start => start > at) : starts.findLast(start => start < at)
  if (found === undefined) return { ...model, notice: direction === 1 ? 'no difference after this' : 'no difference before this' }
  return { ...model, overlay: { ...model.overlay!, at: found } }
}
