/**
 * The trace file, writer and reader together. The writer appends whole blocks and never goes back, so a recording that is
 * killed leaves a file that opens up to its last whole block. The reader checks every checksum when it opens and then
 * decodes only what is asked for.
 *
 *     preamble | HEAD | EVTS, EVTS, KEYF PAGE PAGE, EVTS, ... | INDX | length of INDX
 *
 * The identity of a trace is a chain of SHA-256 over its blocks before compression: it does not depend on anybody's zlib.
 */

import { createHash } from 'node:crypto'
import { assert } from '../base/assert.ts'
import { type EventKind, type EventOf, TRACE_EVENTS, type TraceEvent } from '../spec/trace-events.ts'
import { type Block, type BlockType, packBlock, placeOf, preamble } from './block.ts'
import { asBytes, asCount, asObject, isInOneSpelling, packValue, unpackValue } from './canonical.ts'
import { packNumbers, unpackNumbers } from './columns.ts'
import { CHUNK_EVENTS, ChunkWriter, type EventColumns, entriesOf, eventsOf, unpackEvents } from './event-chunk.ts'
import { packHeader, type TraceHeader, unpackHeader } from './header.ts'
import {
  type Keyframe,
  type KeyframePosition,
  type Page,
  packKeyframe,
  packPages,
  pagePortions,
  unpackKeyframe,
  unpackPages,
} from './keyframe.ts'
import { bytesSource, fileSource, type Sink, type Source } from './storage.ts'
import { damaged, TraceFileError } from './trace-file-error.ts'
import { type KeyframeBlocks, walkBlocks } from './walk.ts'

export { TRACE_VERSION } from './block.ts'
export type { PlainObject } from './canonical.ts'
export type { TraceHeader } from './header.ts'
export type { Keyframe, KeyframePosition, Page } from './keyframe.ts'
export { memorySink, openTraceFile, type Sink } from './storage.ts'
export { TraceFileError } from './trace-file-error.ts'

export interface TraceWriter {
  /** Events recorded so far. */
  readonly count: number
  event(event: TraceEvent): void
  /** Stands before the next event; what was recorded so far is on file when this returns. */
  keyframe(keyframe: Keyframe): void
  /** Writes the index and closes the sink. Returns the trace's identity. */
  finish(): string
}

/** Text and bytes of this many waiting events close a chunk early. */
const CHUNK_BYTES = 1 << 20

const START = new Uint8Array(32)

/** The chain's next link: over the link before, the block's type and its bytes before compression. */
const link = (previous: Uint8Array, type: BlockType, raw: Uint8Array): Uint8Array =>
  new Uint8Array(createHash('sha256').update(previous).update(type).update(raw).digest())

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')

/** The fields of variable length of each kind that has any. */
const VARIABLE_FIELDS: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries(TRACE_EVENTS).flatMap(([kind, { fields }]) => {
    const names = Object.entries(fields).flatMap(([name, type]) => (type === 'text' || type === 'bytes' ? [name] : []))
    return names.length > 0 ? [[kind, names]] : []
  }),
)

/** Length of an event's text and bytes. */
function variableLength(event: TraceEvent): number {
  let length = 0
  for (const name of VARIABLE_FIELDS.get(event.kind) ?? [])
    length += (event as unknown as Record<string, string | Uint8Array>)[name]!.length
  return length
}

/** A trace that grows in `sink`. Memory stays bounded by one chunk, whatever the length of the run. */
export function createTraceWriter(sink: Sink, header: TraceHeader): TraceWriter {
  let identity: Uint8Array = START
  let offset = 0
  const offsets: number[] = []
  const chunk = new ChunkWriter()
  let variable = 0
  let count = 0
  let open = true

  const put = (bytes: Uint8Array): void => {
    try {
      sink.write(bytes)
    } catch (error) {
      open = false // a full disk: what stands there stays readable, and nothing may follow half a block
      sink.close()
      throw error
    }
    offset += bytes.length
  }
  const block = (type: BlockType, entries: number, raw: Uint8Array): void => {
    const bytes = packBlock(type, entries, raw)
    offsets.push(offset)
    put(bytes)
    identity = link(identity, type, raw)
  }
  const flush = (): void => {
    variable = 0
    const { count: events } = chunk
    if (events > 0) block('EVTS', events, chunk.take())
  }

  put(preamble())
  block('HEAD', 0, packHeader(header))
  return {
    get count() {
      return count
    },
    event(event) {
      assert(open, 'a trace that is finished or failed takes no more events')
      chunk.add(event)
      count++
      variable += variableLength(event)
      if (chunk.count === CHUNK_EVENTS || variable >= CHUNK_BYTES) flush()
    },
    keyframe(keyframe) {
      assert(open && keyframe.index === count, `a keyframe stands before the next event, which is ${count}`)
      flush()
      const portions = pagePortions(keyframe.pages)
      block('KEYF', keyframe.pages.length, packKeyframe(keyframe))
      for (const pages of portions) block('PAGE', pages.length, packPages(pages))
    },
    finish() {
      assert(open, 'a trace is finished once')
      flush()
      open = false
      const index = packBlock('INDX', 0, packValue({ blocks: packNumbers(offsets), events: count, identity }))
      put(index)
      put(new Uint8Array(Uint32Array.of(index.length).buffer))
      sink.close()
      return hexOf(identity)
    },
  }
}

/** Decoded chunks kept at hand: enough for a screen of events and the neighbours that scrolling needs. */
const KEPT_CHUNKS = 4

/** A trace that was opened. Everything it gives is checked; trouble is a `TraceFileError`. */
export class TraceReader {
  readonly header: TraceHeader
  /** Events that can be read. */
  readonly count: number
  /** Why the file ends before its index, when it does: in words, with the place. */
  readonly truncated: string | undefined
  /** How many events stand before each chunk. */
  readonly #starts: readonly number[]
  readonly #chunks: readonly Block[]
  readonly #blocks: readonly Block[]
  readonly #keyframes: readonly KeyframeBlocks[]
  readonly #source: Source
  readonly #raw: (block: Block) => Uint8Array
  readonly #kept = new Map<number, readonly TraceEvent[]>()
  readonly #writtenIdentity: Uint8Array | undefined
  #identity: string | undefined
  readonly #positions: (KeyframePosition | undefined)[] = []

  constructor(source: Source) {
    const walk = walkBlocks(source)
    this.#source = source
    this.#raw = walk.raw
    this.#blocks = walk.blocks
    this.header = unpackHeader(walk.raw(walk.blocks[0]!))
    this.#chunks = walk.blocks.filter(({ type }) => type === 'EVTS')
    let count = 0
    this.#starts = this.#chunks.map(chunk => {
      count += chunk.count
      return count - chunk.count
    })
    this.count = count
    this.#keyframes = walk.keyframes
    this.truncated =
      walk.truncated && `${walk.truncated}; ${count === 0 ? 'it holds no whole event' : `events up to #${count - 1} are whole`}`
    this.#writtenIdentity = walk.index && this.#checkIndex(walk.index)
  }

  #checkIndex(block: Block): Uint8Array {
    const where = placeOf(block)
    const { blocks, events, identity } = asObject(unpackValue(this.#raw(block), where), where)
    const offsets = unpackNumbers(blocks, this.#blocks.length, where)
    if (this.#blocks.some(({ offset }, i) => offset !== offsets[i]) || asCount(events, where) !== this.count) {
      throw damaged(where, 'the index does not fit the blocks')
    }
    return asBytes(identity, where, START.length)
  }

  /** SHA-256 chain over everything recorded; of a truncated file, over what is there. */
  get identity(): string {
    this.#identity ??= this.#writtenIdentity ? hexOf(this.#writtenIdentity) : this.#chain()
    return this.#identity
  }

  #chain(): string {
    return hexOf(this.#blocks.reduce<Uint8Array>((previous, block) => link(previous, block.type, this.#raw(block)), START))
  }

  /** Decodes everything and computes the identity anew; throws at the first thing that does not fit. */
  verify(): void {
    for (const block of this.#blocks) {
      if (!isInOneSpelling(this.#raw(block), placeOf(block))) throw damaged(placeOf(block), 'a value is not in its one spelling')
    }
    for (let i = 0; i < this.#chunks.length; i++) this.chunk(i)
    for (let i = 0; i < this.#keyframes.length; i++) this.keyframe(i)
    if (this.#chain() !== this.identity) throw damaged('the index', 'the identity does not fit the content')
  }

  /** Number of chunks of events. */
  get chunkCount(): number {
    return this.#chunks.length
  }

  /** The event that chunk `n` starts with. */
  chunkStart(n: number): number {
    return this.#starts[n]!
  }

  /** Chunk `n` column by column, for readers that go through the whole trace. */
  chunk(n: number, wanted?: ReadonlySet<EventKind>): EventColumns {
    const block = this.#chunks[n]!
    return unpackEvents(this.#raw(block), block.count, placeOf(block), wanted)
  }

  /** All events of these kinds with their numbers, in order. */
  *entriesOfKinds(wanted: ReadonlySet<EventKind>): Generator<readonly [number, TraceEvent], void, undefined> {
    for (let n = 0; n < this.#chunks.length; n++)
      for (const [at, event] of entriesOf(this.chunk(n, wanted), wanted)) yield [this.#starts[n]! + at, event]
  }

  #events(n: number): readonly TraceEvent[] {
    const kept = this.#kept.get(n)
    if (kept) {
      this.#kept.delete(n) // to the young end
      this.#kept.set(n, kept)
      return kept
    }
    const events = eventsOf(this.chunk(n))
    this.#kept.set(n, events)
    for (const old of this.#kept.keys()) if (this.#kept.size > KEPT_CHUNKS) this.#kept.delete(old)
    return events
  }

  /** The chunk that holds event `index`. */
  #chunkOf(index: number): number {
    let low = 0
    let high = this.#starts.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#starts[middle]! <= index) low = middle + 1
      else high = middle
    }
    return low - 1
  }

  /** Event `index`, from 0. */
  event(index: number): TraceEvent {
    assert(Number.isInteger(index) && index >= 0 && index < this.count, `the trace has an event ${index}`)
    const chunk = this.#chunkOf(index)
    return this.#events(chunk)[index - this.#starts[chunk]!]!
  }

  /** The events [from, to) in order. */
  *events(from = 0, to = this.count): Generator<TraceEvent, void, undefined> {
    const end = Math.min(to, this.count)
    for (let at = Math.max(from, 0); at < end; ) {
      const chunk = this.#chunkOf(at)
      const start = this.#starts[chunk]!
      const events = this.#events(chunk)
      for (; at < end && at - start < events.length; at++) yield events[at - start]!
    }
  }

  /** The index of the first event at or after `tick`; `count` when there is none. */
  indexAtTick(tick: number): number {
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.event(middle).tick < tick) low = middle + 1
      else high = middle
    }
    return low
  }

  /** The end of the run, when it was recorded. */
  get end(): EventOf<'end'> | undefined {
    const last = this.count > 0 ? this.event(this.count - 1) : undefined
    return last?.kind === 'end' ? last : undefined
  }

  /** Where the keyframes stand, in order. */
  get keyframeIndex(): readonly KeyframePosition[] {
    return this.#keyframes.map((_, n) => this.keyframePosition(n))
  }

  get keyframeCount(): number {
    return this.#keyframes.length
  }

  /** Where keyframe `n` stands. */
  keyframePosition(n: number): KeyframePosition {
    const known = this.#positions[n]
    if (known !== undefined) return known
    const { index, tick, instructions } = this.#keyframeHead(n)
    const position = { index, tick, instructions }
    this.#positions[n] = position
    return position
  }

  #keyframeHead(n: number): Omit<Keyframe, 'pages'> {
    const { block, before } = this.#keyframes[n]!
    const head = unpackKeyframe(this.#raw(block), placeOf(block))
    if (head.index !== before) throw damaged(placeOf(block), 'the keyframe names another event than the one it stands before')
    return head
  }

  /** Keyframe `n`, with the pages written since the one before. */
  keyframe(n: number): Keyframe {
    return { ...this.#keyframeHead(n), pages: this.#pages([this.#keyframes[n]!]) }
  }

  #pages(keyframes: readonly KeyframeBlocks[]): Page[] {
    return keyframes.flatMap(({ pages }) => pages.flatMap(block => unpackPages(this.#raw(block), block.count, placeOf(block))))
  }

  /** Memory as it stands at keyframe `n`: of every page that was ever written, its last content. */
  pagesUpTo(n: number): Map<number, Uint8Array> {
    return new Map(this.#pages(this.#keyframes.slice(0, n + 1)))
  }

  /** Ends the use of the file behind it. */
  close(): void {
    this.#source.close()
  }
}

/** Opens a trace: its bytes, or the path of a file. */
export function openTrace(from: Uint8Array | string): TraceReader {
  const source = typeof from === 'string' ? fileSource(from) : bytesSource(from)
  try {
    return new TraceReader(source)
  } catch (error) {
    source.close()
    if (error instanceof TraceFileError && typeof from === 'string') error.message = `${from}: ${error.message}`
    throw error
  }
}
