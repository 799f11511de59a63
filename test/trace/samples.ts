/** Events, headers and keyframes to make traces of, by hand and by fast-check. */

import fc from 'fast-check'
import type { Image } from '../../src/assembler/image.ts'
import { type EventKind, type EventStamp, type FieldType, TRACE_EVENTS, type TraceEvent } from '../../src/spec/trace-events.ts'
import {
  createTraceWriter,
  type Keyframe,
  memorySink,
  openTrace,
  type PlainObject,
  TRACE_VERSION,
  type TraceHeader,
  type TraceReader,
} from '../../src/trace/file.ts'

export const sampleImage: Image = {
  origin: 0x100000,
  entry: 0x100004,
  bytes: Uint8Array.of(0x90, 0x90, 0x90, 0x90, 0xf4),
  bits: 64,
  bitsStated: true,
  symbols: [
    { name: 'start', value: 0x100004n, kind: 'label', source: 0, line: 2 },
    { name: 'VECTOR', value: 0xffff_ffff_ffff_ffecn, kind: 'constant', source: 0, line: 1 },
  ],
  lines: [{ address: 0x100004, length: 1, source: 0, line: 2 }],
  sources: [{ file: 'sample.asm', text: 'VECTOR equ -20\nstart: hlt\n' }],
}

export const headerWith = (config: PlainObject, image = sampleImage): TraceHeader => ({ version: TRACE_VERSION, config, image })

export const sampleHeader = headerWith({
  memoryMiB: 16,
  kvm: { apic_timer_virt: 1, nested: false },
  tscOffset: 0x8000_0000_0000_0000n,
  cpu: ['base', null],
})

/** An event from its kind and fields; the stamp is tick 0, CPU 0, level 1 unless given. */
export const event = (kind: EventKind, fields: object, stamp: Partial<EventStamp> = {}): TraceEvent =>
  ({ kind, tick: 0, cpu: 0, level: 1, ...stamp, ...fields }) as TraceEvent

export const keyframeAt = (index: number, pages: Keyframe['pages'] = []): Keyframe => ({
  index,
  tick: index * 10,
  instructions: index * 100,
  state: { cpus: [{ mode: 'long', deadline: 5n, irr: new Uint32Array([1, 2]), halted: false }], host: null },
  registers: Uint8Array.of(1, 2, 3, index & 255),
  pages,
})

/** The bytes of a trace; keyframes stand where their index says. */
export function traceBytes(events: Iterable<TraceEvent>, header = sampleHeader, keyframes: readonly Keyframe[] = []): Uint8Array {
  const sink = memorySink()
  const writer = createTraceWriter(sink, header)
  const keyframesHere = (): void => {
    for (const keyframe of keyframes) if (keyframe.index === writer.count) writer.keyframe(keyframe)
  }
  keyframesHere()
  for (const e of events) {
    writer.event(e)
    keyframesHere()
  }
  writer.finish()
  return sink.bytes()
}

export const traceOf = (events: Iterable<TraceEvent>, config: PlainObject = {}): TraceReader =>
  openTrace(traceBytes(events, headerWith(config)))

const VALUES: Readonly<Record<FieldType, fc.Arbitrary<unknown>>> = {
  u8: fc.nat({ max: 0xff }),
  u16: fc.nat({ max: 0xffff }),
  u32: fc.nat({ max: 0xffff_ffff }),
  u64: fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }),
  count: fc.maxSafeNat(),
  text: fc.string({ unit: 'grapheme' }),
  bytes: fc.uint8Array({ maxLength: 40 }),
}

const arbitraryOfKind = (kind: EventKind): fc.Arbitrary<TraceEvent> =>
  fc.record(
    {
      ...Object.fromEntries(Object.entries(TRACE_EVENTS[kind].fields).map(([name, type]) => [name, VALUES[type]])),
      kind: fc.constant(kind),
      tick: fc.maxSafeNat(),
      cpu: fc.nat({ max: 255 }),
      level: fc.constantFrom(0, 1, 2),
    },
    { noNullPrototype: true },
  ) as unknown as fc.Arbitrary<TraceEvent>

/** Any event of any kind. */
export const arbitraryEvent: fc.Arbitrary<TraceEvent> = fc.oneof(...(Object.keys(TRACE_EVENTS) as EventKind[]).map(arbitraryOfKind))
