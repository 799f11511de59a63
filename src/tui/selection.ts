/** The events that a filter lets through, found slice by slice, so that the count is on the screen while it grows. */

import { compileFilter, FilterError } from '../query/filter.ts'
import { selectByChunk } from '../query/select.ts'
import type { TraceReader } from '../trace/file.ts'

export class Selection {
  /** Why the filter cannot be understood. */
  readonly trouble: string | undefined
  isWhole = false
  count = 0
  /** How much of the trace is searched, from 0 to 1. */
  share = 0
  #found = new Int32Array(1024)
  readonly #chunks: Iterator<readonly number[], void, undefined> | undefined
  readonly #chunkCount: number
  #read = 0

  constructor(reader: TraceReader, filter: string) {
    this.#chunkCount = reader.chunkCount
    try {
      this.#chunks = selectByChunk(reader, compileFilter(filter, reader.header.image))
    } catch (error) {
      if (!(error instanceof FilterError)) throw error
      this.trouble = error.help === '' ? error.message : `${error.message}; ${error.help}`
      this.isWhole = true
    }
  }

  /** Searches on for about so many milliseconds; true when the whole trace is searched. */
  advance(milliseconds: number): boolean {
    const end = performance.now() + milliseconds
    while (!this.isWhole && performance.now() < end) this.#next()
    return this.isWhole
  }

  /** The event in row `row`. */
  at(row: number): number {
    return this.#found[row]!
  }

  /** The first row whose event is `index` or a later one. */
  rowOf(index: number): number {
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#found[middle]! < index) low = middle + 1
      else high = middle
    }
    return low
  }

  /** The next one in a direction, -1 where there is none. */
  next(from: number, direction: 1 | -1): number {
    const row = direction === 1 ? this.rowOf(from) : this.rowOf(from + 1) - 1
    return row >= 0 && row < this.count ? this.at(row) : -1
  }

  #next(): void {
    const { done, value } = this.#chunks!.next()
    if (done || value === undefined) {
      this.isWhole = true
      return
    }
    this.share = ++this.#read / this.#chunkCount
    if (this.count + value.length > this.#found.length) this.#grow(this.count + value.length)
    for (const index of value) this.#found[this.count++] = index
  }

  #grow(least: number): void {
    const larger = new Int32Array(Math.max(least, this.#found.length * 2))
    larger.set(this.#found)
    this.#found = larger
  }
}
