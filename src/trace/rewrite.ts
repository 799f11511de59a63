/** A copy of a trace with other events and right checksums: what a forger would make, for tests of those who read traces. */

import type { TraceEvent } from '../spec/trace-events.ts'
import { createTraceWriter, type Keyframe, type Sink, type TraceHeader, type TraceReader } from './file.ts'

export interface Rewrite {
  /** The event to write instead; undefined drops it. */
  readonly event?: (event: TraceEvent, index: number) => TraceEvent | undefined
  readonly header?: (header: TraceHeader) => TraceHeader
  readonly keyframe?: (keyframe: Keyframe) => Keyframe
}

/** Writes the copy to `sink`, keyframes included, and returns its identity. */
export function rewriteTrace(reader: TraceReader, sink: Sink, { event = e => e, header = h => h, keyframe = k => k }: Rewrite): string {
  const writer = createTraceWriter(sink, header(reader.header))
  const keyframes = reader.keyframeIndex
  let next = 0
  const keyframesAt = (index: number): void => {
    for (; keyframes[next]?.index === index; next++) writer.keyframe({ ...keyframe(reader.keyframe(next)), index: writer.count })
  }
  let index = 0
  for (const original of reader.events()) {
    keyframesAt(index)
    const changed = event(original, index++)
    if (changed) writer.event(changed)
  }
  keyframesAt(index)
  return writer.finish()
}
