/** The two traces of the diff screen and their difference, found once for each pair and projection. */

import { diffTraces, type TraceDiff } from '../trace/diff.ts'
import { openTrace, TraceFileError, type TraceReader } from '../trace/file.ts'
import type { Projection } from '../trace/projection.ts'
import type { Model } from './model.ts'

export interface Comparison {
  readonly a: TraceReader
  readonly b: TraceReader
  readonly nameA: string
  readonly nameB: string
  readonly diff: TraceDiff
  /** Which side is the trace that is explored. */
  readonly explored: 'a' | 'b'
}

const readers = new Map<string, TraceReader>()
const found = new WeakMap<TraceReader, Map<string, TraceDiff>>()

/** A trace by its name, opened once. A text is what is wrong with it. */
export function otherTrace(name: string): TraceReader | string {
  const known = readers.get(name)
  if (known !== undefined) return known
  try {
    const reader = openTrace(name)
    readers.set(name, reader)
    return reader
  } catch (error) {
    if (error instanceof TraceFileError) return error.message
    const { code } = error as NodeJS.ErrnoException
    if (code === undefined) throw error
    return `${name} cannot be read: ${code}`
  }
}

export const PROJECTIONS: readonly Projection[] = ['arch', 'exits', 'timing', 'all']

/** A text: why there is none. */
export function comparison({ trace, overlay }: Pick<Model, 'trace' | 'overlay'>): Comparison | string {
  const { other = '', otherName = other, by = 'exits', swapped = false } = overlay!
  const reader = otherTrace(other)
  if (typeof reader === 'string') return reader
  const [a, b] = swapped ? [reader, trace.reader] : [trace.reader, reader]
  const diffs = found.get(reader) ?? new Map<string, TraceDiff>()
  found.set(reader, diffs)
  const key = `${trace.name} ${by} ${swapped}`
  const diff = diffs.get(key) ?? diffTraces(a, b, { by })
  diffs.set(key, diff)
  const [nameA, nameB] = swapped ? [otherName, trace.name] : [trace.name, otherName]
  return { a, b, nameA, nameB, diff, explored: swapped ? 'b' : 'a' }
}
