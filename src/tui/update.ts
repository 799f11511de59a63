/** The next model after a key. Pure: the recording it asks never changes. */

import type { Place } from '../query/position.ts'
import { copyCommand, copyPosition } from './copying.ts'
import { breakHere, continueTo, stepOver, visit } from './journeys.ts'
import { type Command, commandOf } from './keymap.ts'
import { fold, foldAll, moveFocus, nextCompare, pan, showCpu, showView, toggleZoom, undo, viewOf, zoomTimeline } from './looking.ts'
import { jot } from './marks.ts'
import { type Model, type Size, screenOf } from './model.ts'
import { clickOrWheel, isMouseKey } from './mouse.ts'
import { goTo, jumpBack, jumpForward, jumpTo, nextOfKind, nextSelected, step, withCursorInSight } from './movement.ts'
import { backOut, choose, movePage, moveRow, nextHunk, nextProjection, openOverlay, swapSides, toEdge } from './overlay.ts'
import { updatePrompt } from './prompt.ts'
import { openPrompt } from './prompt-opening.ts'
import { clampedTo, runAgain } from './rerun.ts'
import type { TraceSource } from './trace-source.ts'
import { editUnderCursor, nextChange, whyHere } from './why-here.ts'

export function initialModel(trace: TraceSource, place: Place, size: Size): Model {
  const model: Model = {
    trace,
    size,
    place: { kind: 'event', index: 0 },
    focus: 'events',
    zoomed: false,
    stateView: 'registers',
    filter: '',
    folded: new Set(),
    eventsTop: 0,
    codeScroll: 0,
    stateAt: 0,
    compare: 'previous',
    vcpu: undefined,
    vmcs: 'current',
    span: 0,
    pan: 0,
    prompt: null,
    overlay: null,
    pending: null,
    search: '',
    seeking: null,
    marks: new Map(),
    notes: new Map(),
    unsaved: [],
    lastMark: '',
    breakpoints: [],
    journey: null,
    rerun: null,
    isStale: false,
    followed: null,
    jumps: { back: [], forward: [] },
    memory: '',
    past: [],
    lastCommand: null,
    copied: null,
    cli: null,
    mouse: true,
    theme: '16',
    ascii: false,
    notice: '',
    leaving: false,
  }
  return goTo(model, clampedTo(trace, place))
}

export const resized = (model: Model, size: Size): Model => withCursorInSight({ ...model, size })

export function update(model: Model, key: string): Model {
  const fresh = model.notice === '' ? model : { ...model, notice: '' }
  if (key === 'ctrl-c') return { ...fresh, leaving: true }
  if (isMouseKey(key)) return fresh.mouse ? clickOrWheel(fresh, key, run) : fresh
  if (fresh.prompt !== null) return updatePrompt(fresh, key, run)
  if (fresh.pending !== null) return letter(fresh, key)
  const command = commandOf(key, screenOf(fresh))
  if (command === undefined) return fresh
  // Whoever moves on does not wait any longer.
  return run(command === 'back-out' ? fresh : { ...fresh, journey: null, seeking: null, rerun: null }, command)
}

/** Commands that `u` does not bring back from and `.` does not repeat. */
const PASSIVE: ReadonlySet<Command> = new Set<Command>([
  'undo',
  'repeat',
  'palette',
  'command-line',
  'copy-position',
  'copy-command',
  'quit',
  'interrupt',
])

const MOST_PAST = 100

function run(model: Model, command: Command): Model {
  const next = HANDLERS[command](model)
  const broughtBack = next.past !== model.past
  if (PASSIVE.has(command) || broughtBack || next.leaving) return next
  const [was, is] = [viewOf(model), viewOf(next)]
  const hasChanged = (Object.keys(was) as (keyof typeof was)[]).some(part => part !== 'eventsTop' && was[part] !== is[part])
  return { ...next, past: hasChanged ? [...model.past, was].slice(-MOST_PAST) : next.past, lastCommand: command }
}

/** The letter of a mark. `''` is where one was before. */
function letter(model: Model, key: string): Model {
  const { pending, marks, place } = model
  const done: Model = { ...model, pending: null }
  if (pending === 'go-to-mark') {
    if (key === "'") return jumpBack(done)
    const marked = marks.get(key)
    return marked === undefined ? { ...done, notice: key === 'escape' ? '' : `there is no mark '${key}` } : jumpTo(done, marked)
  }
  if (!/^[a-zA-Z]$/.test(key)) return { ...done, notice: key === 'escape' ? '' : 'a mark is a letter' }
  return jot(done, { kind: 'mark', letter: key, place })
}

type Handler = (model: Model) => Model

const hit =
  (direction: 1 | -1): Handler =>
  model =>
    model.overlay !== null
      ? nextHunk(model, direction)
      : model.search === ''
        ? { ...model, notice: 'search first, with /' }
        : nextSelected(model, { filter: model.search, what: 'hit', direction })

const vmcsWrite =
  (direction: 1 | -1): Handler =>
  model =>
    nextSelected(model, { filter: 'reason == VMWRITE', what: 'VMWRITE', direction })

const HANDLERS: Readonly<Record<Command, Handler>> = {
  step: model => step(model, 1),
  'step-back': model => step(model, -1),
  'step-over': model => stepOver(model, 1),
  'step-over-back': model => stepOver(model, -1),
  continue: model => continueTo(model, 1),
  'continue-back': model => continueTo(model, -1),
  'next-visit': model => visit(model, 1),
  'previous-visit': model => visit(model, -1),
  'next-change': model => nextChange(model, 1),
  'previous-change': model => nextChange(model, -1),
  breakpoint: breakHere,
  breakpoints: model => openOverlay(model, 'breakpoints'),
  marks: model => openOverlay(model, 'marks'),
  why: whyHere,
  edit: editUnderCursor,
  rerun: runAgain,
  diff: model => openPrompt(model, 'command', 'diff '),
  swap: swapSides,
  projection: nextProjection,
  'next-exit': model => nextOfKind(model, 'exit', 1),
  'previous-exit': model => nextOfKind(model, 'exit', -1),
  'next-entry': model => nextOfKind(model, 'entry', 1),
  'previous-entry': model => nextOfKind(model, 'entry', -1),
  'next-timer': model => nextOfKind(model, 'timer', 1),
  'previous-timer': model => nextOfKind(model, 'timer', -1),
  'next-interrupt': model => nextOfKind(model, 'interrupt', 1),
  'previous-interrupt': model => nextOfKind(model, 'interrupt', -1),
  'next-vmcs-write': vmcsWrite(1),
  'previous-vmcs-write': vmcsWrite(-1),
  'row-down': model => moveRow(model, 1),
  'row-up': model => moveRow(model, -1),
  'page-down': model => movePage(model, 1),
  'page-up': model => movePage(model, -1),
  first: model => toEdge(model, -1),
  last: model => toEdge(model, 1),
  search: model => openPrompt(model, 'search', model.search),
  'next-hit': hit(1),
  'previous-hit': hit(-1),
  filter: model => openPrompt(model, 'filter', model.filter),
  'go-to': model => openPrompt(model, 'go-to'),
  'set-mark': model => ({ ...model, pending: 'set-mark' }),
  'go-to-mark': model => ({ ...model, pending: 'go-to-mark' }),
  'jump-back': jumpBack,
  'jump-forward': jumpForward,
  'next-cpu': model => showCpu(model, 1),
  'previous-cpu': model => showCpu(model, -1),
  compare: nextCompare,
  fold,
  'fold-all': foldAll,
  zoom: toggleZoom,
  'next-pane': model => moveFocus(model, 1),
  'previous-pane': model => moveFocus(model, -1),
  'view-registers': model => showView(model, 'registers'),
  'view-vmcs': model => showView(model, 'vmcs'),
  'view-apic': model => showView(model, 'apic'),
  'view-memory': model => showView(model, 'memory'),
  'view-cpu': model => showView(model, 'cpu'),
  wider: model => zoomTimeline(model, 2),
  closer: model => zoomTimeline(model, 0.5),
  right: model => pan(model, 1),
  left: model => pan(model, -1),
  statistics: model => openOverlay(model, 'statistics'),
  choose: model => choose(model),
  'command-line': model => openPrompt(model, 'command'),
  'copy-position': copyPosition,
  'copy-command': copyCommand,
  undo,
  repeat: model => (model.lastCommand === null ? model : run(model, model.lastCommand)),
  palette: model => openPrompt(model, 'palette'),
  'back-out': backOut,
  quit: model => (model.overlay !== null || model.zoomed ? backOut(model) : { ...model, leaving: true }),
  interrupt: model => ({ ...model, leaving: true }),
}
