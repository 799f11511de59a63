/**
 * The explorer at work: keys in, models on, frames out; and the terminal given back whatever ends it. Keys that arrive together are
 * dealt with together and give one frame. What takes long goes on in slices between the keys.
 */

import { type Instance, render } from 'ink'
import { formatPosition, type Place } from '../query/position.ts'
import { backgroundWork } from './background.ts'
import { Boundary } from './boundary.tsx'
import { type CliRun, cliRun } from './cli.ts'
import { reopening } from './copying.ts'
import { FrameSink, type Terminal } from './frame-sink.ts'
import { isHeld } from './held.ts'
import { arrived } from './journeys.ts'
import { Keyboard } from './keyboard.tsx'
import { kept, type MarksFile, withMarks } from './marks.ts'
import type { Model } from './model.ts'
import { settled } from './movement.ts'
import { replaced } from './rerun.ts'
import { Screen } from './screen.tsx'
import { SpeechSink } from './speech-sink.ts'
import type { TraceSource } from './trace-source.ts'
import { initialModel, resized, update } from './update.ts'

/** Where it draws and what it listens to: the process's own streams, or a test's. */
export interface ExplorerStreams {
  readonly stdin: NodeJS.ReadStream
  readonly terminal: Terminal & { on(name: 'resize', listener: () => void): unknown; off(name: 'resize', listener: () => void): unknown }
}

/** How a person leaves. */
export type Departure = 'quit' | 'ctrl-c'

export interface Explorer {
  /** Settles when the person leaves; rejects with what went wrong in a frame. The terminal is given back by then. */
  readonly left: Promise<Departure>
  readonly place: () => string
  /** The command that opens this view again. */
  readonly reopening: () => string
  /** Gives the terminal back at once. */
  stop(): void
  /** Lets go of the terminal while the process is stopped, and takes it again. */
  suspend(): void
  resume(): void
}

export interface ExplorerOptions {
  readonly streams: ExplorerStreams
  /** What the first model is to have besides the place. */
  readonly start?: Partial<Pick<Model, 'theme' | 'ascii' | 'filter' | 'mouse' | 'overlay' | 'cli'>>
  /** Where marks and notes of the trace are kept. */
  readonly marks?: MarksFile
  /** Somebody listens: lines of text instead of a screen. */
  readonly isListening?: boolean
  /** Ctrl-Z was pressed. */
  readonly onSuspend?: () => void
}

/** With what has been found out since. */
const found = (model: Model): Model => replaced(arrived(settled(model)))

/** Nobody looks at it any more. */
function leaveRun(run: CliRun | undefined): void {
  if (run === undefined) return
  run.onNews = null
  if (run.status === undefined) run.stop()
}

/** Keys before which others no longer wait. */
const GIVES_UP: ReadonlySet<string> = new Set(['escape', 'ctrl-c', 'q'])

/** Milliseconds between two looks at whether a source has changed. */
const LOOK_EVERY = 500

/** Milliseconds of a slice of background work, and between two frames that show how far it is. */
const SLICE = 8
const SHOW_EVERY = 100

export function startExplorer(
  trace: TraceSource,
  place: Place,
  { streams, start, marks, isListening = false, onSuspend }: ExplorerOptions,
): Explorer {
  const { stdin, terminal } = streams
  const sink = isListening ? new SpeechSink(terminal) : new FrameSink(terminal)
  const first = settled({ ...initialModel(trace, place, sink.size), ...start })
  let model: Model = marks === undefined ? first : withMarks(first, marks)
  let waiting: string[] = []
  let isDue = false
  let ink: Instance | undefined
  let isOver = false
  let slice: NodeJS.Immediate | undefined
  let shownAt = 0
  let settle: { readonly resolve: (how: Departure) => void; readonly reject: (error: unknown) => void }
  const left = new Promise<Departure>((resolve, reject) => {
    settle = { resolve, reject }
  })

  const stop = (): void => {
    isOver = true
    if (slice !== undefined) clearImmediate(slice)
    clearInterval(watch)
    leaveRun(cliRun(model))
    terminal.off('resize', onResize)
    ink?.unmount()
    sink.leave()
  }
  /** Later, not within the frame that failed. */
  const fail = (error: unknown): void => {
    setImmediate(() => {
      stop()
      settle.reject(error)
    })
  }
  const tree = () => (
    <Boundary onError={fail}>
      {isListening ? null : <Screen model={model} />}
      <Keyboard onKeys={onKeys} />
    </Boundary>
  )
  const show = (next: Model, isAsked = false): void => {
    if (next.copied !== null && next.copied !== model.copied) sink.copy(next.copied.text)
    if (next.mouse !== model.mouse) sink.setMouse(next.mouse)
    const [was, run] = [cliRun(model), cliRun(next)]
    if (was !== run) leaveRun(was)
    if (run !== undefined) run.onNews = () => isOver || show(model)
    if (sink instanceof SpeechSink) sink.present(model, next, isAsked)
    model = next
    ink?.rerender(tree())
    shownAt = performance.now()
    workOn()
  }
  const work = (): void => {
    isDue = false
    const keys = waiting
    waiting = []
    try {
      let next = model
      for (const [position, key] of keys.entries()) {
        if (isHeld(next, key)) {
          waiting = keys.slice(position)
          break
        }
        const was: Model = next
        next = update(was, key)
        if (marks !== undefined && next.trace === trace) next = kept(was, next, marks)
        if (!next.leaving) continue
        model = next
        stop()
        return settle.resolve(key === 'ctrl-c' ? 'ctrl-c' : 'quit')
      }
      show(found(next), true)
    } catch (error) {
      fail(error)
    }
  }
  /** A slice of what is still to be found out, when no key waits. */
  const workOn = (): void => {
    if (slice !== undefined || isOver || backgroundWork(model) === undefined) return
    slice = setImmediate(() => {
      slice = undefined
      if (isOver) return
      try {
        const isDone = backgroundWork(model)?.advance(SLICE) ?? true
        if (isDone && waiting.length > 0 && !isDue) work()
        else if (isDone || performance.now() - shownAt > SHOW_EVERY) show(found(model))
        else workOn()
      } catch (error) {
        fail(error)
      }
    })
  }
  function onKeys(keys: readonly string[]): void {
    if (keys.includes('ctrl-z')) onSuspend?.()
    const isHolding = waiting[0] !== undefined && isHeld(model, waiting[0])
    if (isHolding && keys.some(key => GIVES_UP.has(key))) waiting = []
    waiting.push(...keys.filter(key => key !== 'ctrl-z'))
    if (!isDue) setImmediate(work)
    isDue = true
  }
  function onResize(): void {
    show(resized(model, sink.resize()))
  }

  const watch = setInterval(() => {
    const isStale = model.trace.live?.isStale() === true
    if (isStale !== model.isStale) show({ ...model, isStale })
  }, LOOK_EVERY)
  sink.enter()
  sink.setMouse(model.mouse)
  terminal.on('resize', onResize)
  // What Ink makes for screen readers is the text of the rows, one under the other: our frame is no more than that, and the grid of
  // styled characters that it makes otherwise takes most of a frame's time.
  ink = render(tree(), { stdout: sink.stream(), stdin, debug: true, patchConsole: false, exitOnCtrlC: false, isScreenReaderEnabled: true })
  if (sink instanceof SpeechSink) sink.greet(model)
  workOn()
  return {
    left,
    place: () => formatPosition(model.place),
    reopening: () => reopening(model),
    stop,
    suspend: () => {
      stdin.setRawMode(false)
      sink.leave()
    },
    resume: () => {
      stdin.setRawMode(true)
      sink.enter()
      sink.setMouse(model.mouse)
      onResize()
    },
  }
}
