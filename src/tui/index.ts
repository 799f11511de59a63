/** What the command line needs of the explorer. Importing this loads Ink: see `cli/explore.ts`. */

import type { Place } from '../query/position.ts'
import { type Departure, type Explorer, startExplorer } from './explorer.tsx'
import { guardProcess, suspendProcess } from './process-guard.ts'
import type { TraceSource } from './trace-source.ts'

/**
 * Explores on the process's own terminal until the person leaves; says by which key. `onEnd` is told the last place, whatever ended
 * it, when the terminal has been given back.
 */
export async function explore(trace: TraceSource, place: Place, onEnd: (place: string) => void): Promise<Departure> {
  const explorer: Explorer = startExplorer(trace, place, {
    streams: { stdin: process.stdin, terminal: process.stdout },
    onSuspend: () => suspendProcess(explorer),
  })
  const end = (): void => onEnd(explorer.place())
  const guard = guardProcess(explorer, end)
  try {
    return await Promise.race([explorer.left, guard.crashed])
  } finally {
    guard.release()
    end()
  }
}
