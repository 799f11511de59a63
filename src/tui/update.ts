/** The next model after a key. Pure: the recording it asks never changes. */

import type { Place } from '../query/position.ts'
import type { EventKind } from '../spec/trace-events.ts'
import { type Command, commandOf, HELP_ROWS } from './keys.ts'
import { paneRows } from './layout.ts'
import { cursorRow, eventRows, type Model, PANES, type Size } from './model.ts'
import type { TraceSource } from './trace-source.ts'

export function initialModel(trace: TraceSource, place: Place, size: Size): Model {
  const model: Model = {
    trace,
    size,
    place: { kind: 'event', index: 0 },
    focus: 'events',
    eventsTop: 0,
    codeScroll: 0,
    stateScroll: 0,
    help: null,
    notice: '',
    leaving: false,
  }
  return goTo(model, clamped(trace, place))
}

/** A place past the end is the end. */
const clamped = (trace: TraceSource, place: Place): Place =>
  place.kind === 'instruction'
    ? { kind: 'instruction', count: Math.min(place.count, trace.moment(place).instructions) }
    : { kind: 'event', index: Math.min(place.index, trace.count - 1) }

export function resized(model: Model, size: Size): Model {
  return withCursorInSight({ ...model, size })
}

export function update(model: Model, key: string): Model {
  const command = commandOf(key)
  const fresh = model.notice === '' ? model : { ...model, notice: '' }
  if (command === undefined) return fresh
  if (command === 'interrupt') return { ...fresh, leaving: true }
  return fresh.help === null ? HANDLERS[command](fresh) : updateHelp(fresh, fresh.help, command)
}

type Handler = (model: Model) => Model

const KINDS = {
  exit: new Set<EventKind>(['kvm_exit', 'vmx_exit']),
  entry: new Set<EventKind>(['kvm_entry', 'vmx_entry', 'vmx_entry_failed']),
  timer: new Set<EventKind>([
    'apic_timer_arm',
    'apic_timer_fire',
    'kvm_hv_timer_state',
    'kvm_apic_virt_timer_state',
    'kvm_wait_lapic_expire',
    'hrtimer_start',
    'hrtimer_cancel',
    'hrtimer_expire_entry',
  ]),
  interrupt: new Set<EventKind>(['interrupt', 'kvm_inj_virq']),
} as const satisfies Record<string, ReadonlySet<EventKind>>

const WORDS: Readonly<Record<keyof typeof KINDS, string>> = {
  exit: 'VM exit',
  entry: 'VM entry',
  timer: 'timer event',
  interrupt: 'interrupt',
}

const HANDLERS: Readonly<Record<Exclude<Command, 'interrupt'>, Handler>> = {
  'step-instruction': model => step(model, 1),
  'step-instruction-back': model => step(model, -1),
  'next-exit': model => search(model, 'exit', 1),
  'previous-exit': model => search(model, 'exit', -1),
  'next-entry': model => search(model, 'entry', 1),
  'previous-entry': model => search(model, 'entry', -1),
  'next-timer': model => search(model, 'timer', 1),
  'previous-timer': model => search(model, 'timer', -1),
  'next-interrupt': model => search(model, 'interrupt', 1),
  'previous-interrupt': model => search(model, 'interrupt', -1),
  'row-down': model => move(model, 1),
  'row-up': model => move(model, -1),
  'page-down': model => move(model, halfPage(model)),
  'page-up': model => move(model, -halfPage(model)),
  first: model => goTo(model, { kind: 'event', index: 0 }),
  last: model => goTo(model, { kind: 'event', index: model.trace.count - 1 }),
  'next-pane': model => focus(model, 1),
  'previous-pane': model => focus(model, -1),
  help: model => ({ ...model, help: 0 }),
  'back-out': model => ({ ...model, codeScroll: 0, stateScroll: 0 }),
  quit: model => ({ ...model, leaving: true }),
}

const halfPage = ({ size }: Model): number => Math.max(1, Math.floor(paneRows(size) / 2))

/** A new place; what was scrolled away comes back into sight. */
function goTo(model: Model, place: Place): Model {
  return withCursorInSight({ ...model, place, codeScroll: 0 })
}

/** Rows of the event list that stay in sight around the cursor. */
const MARGIN = 3

/** The event list moves only as far as it must. */
function withCursorInSight(model: Model): Model {
  const rows = paneRows(model.size)
  const cursor = cursorRow(model)
  const last = Math.max(0, eventRows(model) - rows)
  const isFar = cursor < model.eventsTop - rows || cursor > model.eventsTop + 2 * rows
  const margin = Math.min(MARGIN, Math.floor((rows - 1) / 2))
  const nearest = Math.min(Math.max(model.eventsTop, cursor - rows + 1 + margin), cursor - margin)
  const wanted = isFar ? cursor - Math.floor(rows / 2) : nearest
  return { ...model, eventsTop: Math.min(Math.max(wanted, 0), last) }
}

/** By instruction. Between two of them, back means to the end of the earlier one. */
function step(model: Model, direction: 1 | -1): Model {
  const { trace, place } = model
  const { instructions, eventIndex } = trace.moment(place)
  if (direction === 1) {
    const next: Place = { kind: 'instruction', count: instructions + 1 }
    return trace.moment(next).instructions > instructions ? goTo(model, next) : { ...model, notice: 'the run ends here' }
  }
  const start: Place = { kind: 'instruction', count: instructions }
  const isPast = place.kind === 'event' && trace.moment(start).eventIndex < eventIndex
  if (isPast) return goTo(model, start)
  if (instructions === 0) return { ...model, notice: 'the run begins here' }
  return goTo(model, { kind: 'instruction', count: instructions - 1 })
}

function search(model: Model, what: keyof typeof KINDS, direction: 1 | -1): Model {
  const { trace, place } = model
  const next = place.kind === 'event' ? place.index + direction : direction === 1 ? cursorRow(model) : cursorRow(model) - 1
  const found = trace.find(KINDS[what], next, direction)
  if (found >= 0) return goTo(model, { kind: 'event', index: found })
  return { ...model, notice: direction === 1 ? `no ${WORDS[what]} after this` : `no ${WORDS[what]} before this` }
}

/** Rows of the focused pane; the rows of the event list are places. */
function move(model: Model, rows: number): Model {
  switch (model.focus) {
    case 'events':
      return moveEvent(model, rows)
    case 'code':
      return { ...model, codeScroll: between(-MOST_SCROLL, model.codeScroll + rows, MOST_SCROLL) }
    case 'state':
      return { ...model, stateScroll: between(0, model.stateScroll + rows, MOST_SCROLL) }
  }
}

const MOST_SCROLL = 60
const between = (low: number, value: number, high: number): number => Math.min(Math.max(value, low), high)

/** Up from a place between two events is the event before it, down the one behind. */
function moveEvent(model: Model, rows: number): Model {
  const { trace, place } = model
  const from = place.kind === 'event' ? place.index : cursorRow(model) - (rows > 0 ? 1 : 0)
  const index = between(0, from + rows, trace.count - 1)
  return goTo(model, { kind: 'event', index })
}

function focus(model: Model, direction: 1 | -1): Model {
  const at = PANES.indexOf(model.focus) + direction
  return { ...model, focus: PANES[(at + PANES.length) % PANES.length]! }
}

function updateHelp(model: Model, top: number, command: Command): Model {
  const last = Math.max(0, HELP_ROWS.length - paneRows(model.size))
  const to = (row: number): Model => ({ ...model, help: between(0, row, last) })
  switch (command) {
    case 'help':
    case 'back-out':
    case 'quit':
      return { ...model, help: null }
    case 'row-down':
      return to(top + 1)
    case 'row-up':
      return to(top - 1)
    case 'page-down':
      return to(top + halfPage(model))
    case 'page-up':
      return to(top - halfPage(model))
    case 'first':
      return to(0)
    case 'last':
      return to(last)
    default:
      return model
  }
}
