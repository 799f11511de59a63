/** Which kind of event stands where: a byte for each event, chunk by chunk, so that a search does not decode what it passes by. */

import type { EventKind } from '../spec/trace-events.ts'
import type { TraceReader } from '../trace/file.ts'

interface ChunkKinds {
  readonly start: number
  readonly kinds: Uint8Array
  readonly names: readonly EventKind[]
}

const NO_COLUMNS: ReadonlySet<EventKind> = new Set()

export class EventKinds {
  readonly #reader: TraceReader
  readonly #chunks: (ChunkKinds | undefined)[] = []

  constructor(reader: TraceReader) {
    this.#reader = reader
  }

  at(index: number): EventKind {
    const { start, kinds, names } = this.#chunk(this.#chunkOf(index))
    return names[kinds[index - start]!]!
  }

  /** The first event of these kinds from `from` on, in the given direction; -1 when there is none. */
  find(wanted: ReadonlySet<EventKind>, from: number, direction: 1 | -1): number {
    if (from < 0 || from >= this.#reader.count) return -1
    for (let n = this.#chunkOf(from); n >= 0 && n < this.#reader.chunkCount; n += direction) {
      const { start, kinds, names } = this.#chunk(n)
      if (!names.some(name => wanted.has(name))) continue
      let at = direction === 1 ? Math.max(from - start, 0) : Math.min(from - start, kinds.length - 1)
      for (; at >= 0 && at < kinds.length; at += direction) if (wanted.has(names[kinds[at]!]!)) return start + at
    }
    return -1
  }

  #chunk(n: number): ChunkKinds {
    const known = this.#chunks[n]
    if (known !== undefined) return known
    const { kinds, tables } = this.#reader.chunk(n, NO_COLUMNS)
    const chunk = { start: this.#reader.chunkStart(n), kinds: kinds.slice(), names: tables.map(({ kind }) => kind) }
    this.#chunks[n] = chunk
    return chunk
  }

  #chunkOf(index: number): number {
    let low = 0
    let high = this.#reader.chunkCount
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#reader.chunkStart(middle) <= index) low = middle + 1
      else high = middle
    }
    return low - 1
  }
}
