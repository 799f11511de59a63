/** Steps of one CPU of several: the others run on meanwhile, as they would, and may come to a stop of their own. */

import type { Engine } from '../hw/cpu/engine.ts'
import { type Stop, Watcher } from './stops.ts'
import type { Timeline } from './timeline.ts'
import { type Cursor, edge, type Journey, type Judge, searchBackward, searchForward } from './travel.ts'

export interface CpuStep {
  readonly cpu: number
  /** Stops of the other CPUs. */
  readonly stops?: readonly Stop[]
  /** Goes on while the CPU is about to execute in [from, to). */
  readonly within?: readonly [from: bigint, to: bigint]
}

/** On until the CPU has executed an instruction, or left the range, and is about to execute the next. */
export function* stepCpuForward(timeline: Timeline, from: Cursor, { cpu, stops = [], within }: CpuStep): Journey {
  const isStep = stops.length
  const judge = (): Judge => {
    const watcher = new Watcher(timeline, stops)
    let hasBegun = false
    return {
      begin: engine => {
        watcher.begin(engine)
        hasBegun = engine.index === cpu
        return -1
      },
      see: engine => {
        const found = watcher.see(engine)
        if (engine.index !== cpu) return found
        if (hasBegun && !isWithin(engine, within)) return isStep
        hasBegun = true
        return -1
      },
    }
  }
  const hit = yield* searchForward(timeline, from, { judge, meansBefore: () => false })
  if (hit === undefined || hit === 'end') return yield* edge(timeline, 1)
  return { place: hit.place, reason: hit.found === isStep ? { kind: 'step' } : { kind: 'stop', stop: hit.found } }
}

const isWithin = ({ rip }: Engine, within: CpuStep['within']): boolean => within !== undefined && rip >= within[0] && rip < within[1]

/** Back to the last moment before at which the CPU was about to execute. */
export function* stepCpuBackward(timeline: Timeline, from: Cursor, cpu: number): Journey {
  const ask = (engine: Engine): number => (engine.index === cpu ? 0 : -1)
  const hit = yield* searchBackward(timeline, from, { judge: () => ({ begin: ask, see: ask }), meansBefore: () => false })
  return hit === undefined ? yield* edge(timeline, -1) : { place: hit.place, reason: { kind: 'step' } }
}
