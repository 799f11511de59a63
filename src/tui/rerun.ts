/**
 * The guest run again under the explorer: with a value edited at the present place, or from its source as it is now. The new run takes
 * the place of the one that was shown, at the same position.
 */

import type { Place } from '../query/position.ts'
import { type Edit, editText, parseEdit } from '../session/edit.ts'
import type { Progress, Recording } from '../session/record.ts'
import { whatIf } from '../session/what-if.ts'
import { memorySink, openTrace } from '../trace/file.ts'
import { programOf } from './journeys.ts'
import type { Model, RerunRequest } from './model.ts'
import { goTo } from './movement.ts'
import { openPrompt } from './prompt-opening.ts'
import { type LiveRun, openTraceSource, type TraceSource } from './trace-source.ts'
import type { Work } from './work.ts'

interface Rerunning extends Work {
  /** The new run; a text is why there is none. */
  outcome: TraceSource | string | undefined
  /** Instructions so far. */
  at: number
}

const running = new WeakMap<RerunRequest, Rerunning>()

function liveRunFor(trace: TraceSource, request: RerunRequest): LiveRun | string {
  if (request.edit === null) return trace.live!.begin()
  const sink = memorySink()
  const slices = whatIf(trace.reader, { edits: [request.edit], at: { instructions: request.at, events: request.events } }, sink)
  return {
    slices,
    open: () => ({
      ...openTraceSource(openTrace(sink.bytes()), trace.name),
      bytes: sink.bytes,
      ...(trace.live ? { live: trace.live } : {}),
    }),
  }
}

/** The run that a request began; the same for the same request. */
export function rerunWork(trace: TraceSource, request: RerunRequest): Rerunning {
  const known = running.get(request)
  if (known !== undefined) return known
  const run = liveRunFor(trace, request)
  const work: Rerunning = {
    outcome: typeof run === 'string' ? run : undefined,
    at: 0,
    advance(milliseconds) {
      const end = performance.now() + milliseconds
      while (work.outcome === undefined && typeof run !== 'string' && performance.now() < end) {
        const { done, value }: IteratorResult<Progress, Recording> = run.slices.next(false)
        if (done) work.outcome = run.open()
        else work.at = value.instructions
      }
      return work.outcome !== undefined
    },
  }
  running.set(request, work)
  return work
}

/** A place past the end is the end; of a truncated recording only its run tells where that is. */
export function clampedTo(trace: TraceSource, place: Place): Place {
  if (place.kind === 'event') return { kind: 'event', index: Math.min(place.index, trace.count - 1) }
  const last = trace.instructions === Number.POSITIVE_INFINITY ? trace.moment(place).instructions : trace.instructions
  return { kind: 'instruction', count: Math.min(place.count, last) }
}

/** Shows the new run when there is one. */
export function replaced(model: Model): Model {
  const { rerun } = model
  if (rerun === null) return model
  const { outcome } = rerunWork(model.trace, rerun)
  if (outcome === undefined) return model
  if (typeof outcome === 'string') return { ...model, rerun: null, notice: outcome }
  const marks = new Map([...model.marks].map(([letter, place]) => [letter, clampedTo(outcome, place)]))
  const next: Model = {
    ...model,
    trace: outcome,
    rerun: null,
    isStale: false,
    overlay: null,
    folded: new Set(),
    jumps: { back: [], forward: [] },
    marks,
    notes: new Map(),
    past: [],
    place: { kind: 'event', index: 0 },
    notice:
      rerun.edit === null
        ? 'this is the run of the source as it is now'
        : `this is a run with ${editText(rerun.edit)}; :save FILE keeps it`,
  }
  return goTo(next, clampedTo(outcome, rerun.edit === null ? model.place : { kind: 'instruction', count: rerun.at }))
}

/** Runs the source again. */
export function runAgain(model: Model): Model {
  if (model.trace.live === undefined)
    return { ...model, notice: 'a trace does not change: `vtick explore guest.asm` runs its source again; ! edits a value' }
  return { ...model, rerun: { edit: null, at: 0, events: 0 } }
}

/** What if a value were another from here on; a text is what is wrong. */
export function editHere(model: Model, text: string): Model | string {
  const edit: Edit | { readonly problem: string; readonly help: string } = parseEdit(text, programOf(model.trace))
  if ('problem' in edit) return `${edit.problem}; ${edit.help}`
  const { instructions, eventIndex } = model.trace.moment(model.place)
  return { ...model, rerun: { edit, at: instructions, events: eventIndex } }
}

export const askEdit = (model: Model, location: string): Model => openPrompt(model, 'command', `edit ${location}`)
