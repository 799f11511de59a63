import { crc32, deflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { Packr } from 'msgpackr'
import { describe, expect, test } from 'vitest'
import { BLOCK_HEADER_BYTES, packBlock, preamble } from '../../src/trace/block.ts'
import { openTrace, TraceFileError } from '../../src/trace/file.ts'
import { packHeader } from '../../src/trace/header.ts'
import { msgpackProblem } from '../../src/trace/scan.ts'
import { event, keyframeAt, sampleHeader, traceBytes } from './samples.ts'

const events = Array.from({ length: 6 }, (_, i) => event('kvm_entry', { rip: BigInt(i) }, { tick: i }))
const small = traceBytes(events, sampleHeader, [keyframeAt(2, [[1, new Uint8Array(4096).fill(3)]]), keyframeAt(6)])

/** What opening and reading everything says. */
function trouble(bytes: Uint8Array): TraceFileError | undefined {
  try {
    openTrace(bytes).verify()
    return undefined
  } catch (error) {
    if (error instanceof TraceFileError) return error
    throw error
  }
}

const joined = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts))

const head = packBlock('HEAD', 0, packHeader(sampleHeader))

/** A trace with one more block in it, cut short behind that. */
const withBlock = (block: Uint8Array): Uint8Array => joined(preamble(), head, block)

const packr = new Packr({ useRecords: false, variableMapSize: true })

describe('a damaged trace', () => {
  test('is refused for every single flipped bit', () => {
    for (let bit = 0; bit < small.length * 8; bit++) {
      const flipped = small.slice()
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      expect(() => openTrace(flipped), `bit ${bit}`).toThrow(TraceFileError)
    }
  })

  test('is told in one line with a next step', () => {
    const flipped = small.slice()
    flipped[200]! ^= 1
    expect(trouble(flipped)?.kind).toBe('damaged')
    expect(trouble(flipped)?.message).toMatch(
      /^the trace is damaged: .*checksum is wrong; take another copy of the file, or record the guest again$/,
    )
    expect(trouble(new TextEncoder().encode('#!/bin/sh\n'))?.message).toBe(
      'the file is not a vtick trace; record one with `vtick run FILE --record T.vtrace`',
    )
    expect(trouble(new Uint8Array())?.kind).toBe('not-a-trace')
  })

  test('opens to its last whole chunk when it was cut short, at every byte', () => {
    const headEnd = preamble().length + head.length
    let most = 0
    for (let length = 0; length < small.length; length++) {
      const cut = small.subarray(0, length)
      if (length < headEnd) {
        expect(trouble(cut)?.kind, `cut at ${length}`).toBe('not-a-trace')
        continue
      }
      const reader = openTrace(cut)
      reader.verify()
      expect(reader.truncated).toContain('cut short')
      expect([0, 2, 6]).toContain(reader.count)
      expect(reader.count).toBeGreaterThanOrEqual(most)
      most = reader.count
      expect([...reader.events()]).toStrictEqual(events.slice(0, reader.count))
      for (const [n, { index }] of reader.keyframeIndex.entries()) expect(reader.keyframe(n).index).toBe(index)
    }
    expect(most).toBe(6)
  })

  test('is refused with bytes behind its end, without a block, or with blocks in another order', () => {
    expect(trouble(joined(small, Uint8Array.of(0)))?.message).toContain('more than a trace')
    const chunk = packBlock('EVTS', 0, packr.pack([]))
    expect(trouble(withBlock(chunk))?.message).toContain('does not belong there')
    expect(trouble(withBlock(head))?.message).toContain('does not belong there')
    expect(trouble(joined(preamble(), packBlock('EVTS', 1, packr.pack([]))))?.message).toContain('does not belong there')
    expect(trouble(withBlock(packBlock('PAGE', 1, packr.pack([]))))?.message).toContain('belongs to no keyframe')
  })

  test('of another version is called that', () => {
    const other = small.slice()
    const view = new DataView(other.buffer)
    view.setUint32(8, 99, true)
    view.setUint32(12, crc32(other.subarray(0, 12)), true)
    expect(trouble(other)?.kind).toBe('unsupported-version')
    const unknown = [
      1,
      Uint8Array.of(0),
      Uint8Array.of(0),
      Uint8Array.of(0),
      new Uint8Array(8),
      [['kvm_from_the_future', 'x:u8', [Uint8Array.of(1)]]],
    ]
    expect(trouble(withBlock(packBlock('EVTS', 1, packr.pack(unknown))))?.message).toContain('kvm_from_the_future')
  })
})

describe('a hostile trace', () => {
  const hostile: Record<string, Uint8Array> = {
    'an extension type': Uint8Array.of(0x91, 0xd4, 0x72, 0x40),
    'a record extension of the codec': new Packr({ useRecords: true }).pack([{ a: 1 }]),
    'deep nesting': new Uint8Array(200_000).fill(0x91),
    'a huge array': Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff),
    'a huge map': Uint8Array.of(0xdf, 0x7f, 0xff, 0xff, 0xff),
    'a huge text': Uint8Array.of(0xdb, 0xff, 0xff, 0xff, 0xff, 0x41),
    'a huge bin': Uint8Array.of(0xc6, 0xff, 0xff, 0xff, 0xff),
    'a length without its bytes': Uint8Array.of(0xc6, 0xff),
    'a million values': joined(Uint8Array.of(0xdd, 0, 0x20, 0, 0), new Uint8Array(0x20_0000)),
    'a key that is no text': Uint8Array.of(0x81, 0x01, 0x01),
    'bytes left over': Uint8Array.of(0x01, 0x01),
    nothing: new Uint8Array(),
    'the type that does not exist': Uint8Array.of(0xc1),
  }

  test.each(Object.entries(hostile))('with %s is refused before anything is built', (_, raw) => {
    expect(msgpackProblem(raw)).toBeDefined()
    expect(trouble(withBlock(packBlock('EVTS', 1, raw)))?.kind).toBe('damaged')
    expect(trouble(joined(preamble(), packBlock('HEAD', 0, raw)))?.kind).toBe('damaged')
    expect(trouble(withBlock(packBlock('KEYF', 0, raw)))?.kind).toBe('damaged')
  })

  test('that decompresses to more than it says is stopped there', () => {
    const payload = deflateRawSync(new Uint8Array(300 << 20))
    const block = joined(packBlock('EVTS', 1, new Uint8Array(100)).subarray(0, BLOCK_HEADER_BYTES), payload)
    const view = new DataView(block.buffer)
    view.setUint32(8, payload.length, true)
    view.setUint32(16, crc32(payload), true)
    view.setUint32(20, crc32(block.subarray(0, 20)), true)
    const before = process.memoryUsage().arrayBuffers
    expect(trouble(withBlock(block))?.message).toContain('cannot be decompressed')
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 << 20)
    view.setUint32(12, 0xffff_ffff, true)
    view.setUint32(20, crc32(block.subarray(0, 20)), true)
    expect(trouble(withBlock(block))?.message).toContain('claims 4294967295 bytes')
  })

  test('with wrong values in right checksums is refused, never misread', () => {
    const values = fc.letrec<{ value: unknown }>(tie => ({
      value: fc.oneof(
        { depthSize: 'small' },
        fc.integer(),
        fc.string(),
        fc.boolean(),
        fc.constant(null),
        fc.bigInt({ min: 0n, max: 2n ** 63n }),
        fc.uint8Array({ maxLength: 16 }),
        fc.array(tie('value'), { maxLength: 7 }),
        fc.dictionary(fc.constantFrom('config', 'image', 'version', 'blocks', 'events', '@u32'), tie('value')),
      ),
    })).value
    fc.assert(
      fc.property(values, fc.constantFrom('HEAD', 'EVTS', 'KEYF', 'PAGE', 'INDX'), (value, type) => {
        const block = packBlock(type, type === 'KEYF' ? 0 : 1, packr.pack(value)) // a keyframe that lacks pages is not looked at
        expect(trouble(type === 'HEAD' ? joined(preamble(), block) : withBlock(block))).toBeInstanceOf(TraceFileError)
      }),
      { seed: 11, numRuns: 2000, examples: [[0, 'EVTS']] },
    )
  })

  test('with any of its bytes changed under right checksums does not break the reader', () => {
    const raw = new Uint8Array(
      packr.pack([
        2,
        Uint8Array.of(0, 0),
        Uint8Array.of(0, 0),
        Uint8Array.of(1, 1),
        new Uint8Array(16),
        [['kvm_entry', 'rip:u64', [new Uint8Array(16)]]],
      ]),
    )
    expect(trouble(withBlock(packBlock('EVTS', 2, raw)))).toBeUndefined()
    for (let at = 0; at < raw.length; at++) {
      for (const value of [0, 1, 2, 3, 0x7f, 0x80, 0x91, 0xa5, 0xc0, 0xc4, 0xcb, 0xcf, 0xd9, 0xdd, 0xff]) {
        const changed = raw.slice()
        changed[at] = value
        trouble(withBlock(packBlock('EVTS', 2, changed))) // any answer but a crash
      }
    }
  })
})
