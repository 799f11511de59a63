/**
 * The explorer at work: keys in, models on, frames out; and the terminal given back whatever ends it. Keys that arrive together are
 * dealt with together and give one frame.
 */

import { type Instance, render } from 'ink'
import { formatPosition, type Place } from '../query/position.ts'
import { Boundary } from './boundary.tsx'
import { FrameSink, type Terminal } from './frame-sink.ts'
import { Keyboard } from './keyboard.tsx'
import { Screen } from './screen.tsx'
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
  /** Gives the terminal back at once. */
  stop(): void
  /** Lets go of the terminal while the process is stopped, and takes it again. */
  suspend(): void
  resume(): void
}

export interface ExplorerOptions {
  readonly streams: ExplorerStreams
  /** Ctrl-Z was pressed. */
  readonly onSuspend?: () => void
}

export function startExplorer(trace: TraceSource, place: Place, { streams, onSuspend }: ExplorerOptions): Explorer {
  const { stdin, terminal } = streams
  const sink = new FrameSink(terminal)
  let model = initialModel(trace, place, sink.size)
  let waiting: string[] = []
  let ink: Instance | undefined
  let settle: { readonly resolve: (how: Departure) => void; readonly reject: (error: unknown) => void }
  const left = new Promise<Departure>((resolve, reject) => {
    settle = { resolve, reject }
  })

  const stop = (): void => {
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
      <Screen model={model} />
      <Keyboard onKeys={onKeys} />
    </Boundary>
  )
  const work = (): void => {
    const keys = waiting
    waiting = []
    try {
      for (const key of keys) {
        model = update(model, key)
        if (!model.leaving) continue
        stop()
        return settle.resolve(key === 'ctrl-c' ? 'ctrl-c' : 'quit')
      }
      ink?.rerender(tree())
    } catch (error) {
      fail(error)
    }
  }
  function onKeys(keys: readonly string[]): void {
    if (keys.includes('ctrl-z')) return onSuspend?.()
    if (waiting.length === 0) setImmediate(work)
    waiting.push(...keys)
  }
  function onResize(): void {
    model = resized(model, sink.resize())
    ink?.rerender(tree())
  }

  sink.enter()
  terminal.on('resize', onResize)
  ink = render(tree(), { stdout: sink.stream(), stdin, debug: true, patchConsole: false, exitOnCtrlC: false })
  return {
    left,
    place: () => formatPosition(model.place),
    stop,
    suspend: () => {
      stdin.setRawMode(false)
      sink.leave()
    },
    resume: () => {
      stdin.setRawMode(true)
      sink.enter()
      onResize()
    },
  }
}
