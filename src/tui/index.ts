/** What the command line needs of the explorer. Importing this loads Ink: see `cli/explore.ts`. */

import type { Place } from '../query/position.ts'
import { type Departure, type Explorer, type ExplorerOptions, startExplorer } from './explorer.tsx'
import type { MarksFile } from './marks.ts'
import { guardProcess, suspendProcess } from './process-guard.ts'
import type { TraceSource } from './trace-source.ts'

export interface ExploreOptions {
  readonly start: NonNullable<ExplorerOptions['start']>
  readonly marks?: MarksFile
  readonly isListening?: boolean
  /** Told the command that opens the last view again, whatever ended it, when the terminal has been given back. */
  readonly onEnd: (reopening: string) => void
}

/** Explores on the process's own terminal until the person leaves; says by which key. */
export async function explore(
  trace: TraceSource,
  place: Place,
  { start, marks, isListening = false, onEnd }: ExploreOptions,
): Promise<Departure> {
  const explorer: Explorer = startExplorer(trace, place, {
    streams: { stdin: process.stdin, terminal: process.stdout },
    start,
    isListening,
    ...(marks === undefined ? {} : { marks }),
    onSuspend: () => suspendProcess(explorer),
  })
  const end = (): void => onEnd(explorer.reopening())
  const guard = guardProcess(explorer, end)
  try {
    return await Promise.race([explorer.left, guard.crashed])
  } finally {
    guard.release()
    end()
  }
}
