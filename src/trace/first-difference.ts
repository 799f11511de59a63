/** Where two traces part: both are read side by side, chunk by chunk, up to there. Nothing is aligned, and times are not compared. */

import type { TraceReader } from './file.ts'
import { comparesLevels, deepestLevel, looksAt, type ProjectedTrace, type Projection, projectChunks } from './projection.ts'

/** Numbers of the events; -1 where that side has nothing more. */
export interface FirstDifference {
  readonly a: number
  readonly b: number
}

/** One side's compared events, one after the other. */
class Cursor {
  readonly #chunks: Iterator<ProjectedTrace, void>
  #chunk: ProjectedTrace | undefined
  #at = 0

  constructor(chunks: Iterator<ProjectedTrace, void>) {
    this.#chunks = chunks
    this.#load()
  }

  #load(): void {
    while (this.#chunk === undefined || this.#at >= this.#chunk.count) {
      const { done, value } = this.#chunks.next()
      this.#chunk = done ? undefined : value
      this.#at = 0
      if (done) return
    }
  }

  get key(): number {
    return this.#chunk === undefined ? -1 : this.#chunk.key[this.#at]!
  }

  get level(): number {
    return this.#chunk === undefined ? -1 : this.#chunk.level[this.#at]!
  }

  get index(): number {
    return this.#chunk === undefined ? -1 : this.#chunk.index[this.#at]!
  }

  advance(): void {
    this.#at++
    this.#load()
  }
}

/** The first events that differ; undefined when the traces are the same in what `by` asks. */
export function firstDifference(a: TraceReader, b: TraceReader, by: Projection): FirstDifference | undefined {
  const looks = looksAt(a, b, by)
  const inA = new Cursor(projectChunks(a, looks.a))
  const inB = new Cursor(projectChunks(b, looks.b))
  let levelsCount: boolean | undefined
  while (inA.key === inB.key) {
    if (inA.key < 0) return undefined
    if (inA.level !== inB.level) levelsCount ??= comparesLevels(looks.a, deepestLevel(a), deepestLevel(b))
    if (inA.level !== inB.level && levelsCount) break
    inA.advance()
    inB.advance()
  }
  return { a: inA.index, b: inB.index }
}
