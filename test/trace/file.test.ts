import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { TraceEvent } from '../../src/spec/trace-events.ts'
import { createTraceWriter, memorySink, openTrace, openTraceFile, TRACE_VERSION } from '../../src/trace/file.ts'
import { rewriteTrace } from '../../src/trace/rewrite.ts'
import { arbitraryEvent, event, headerWith, keyframeAt, sampleHeader, sampleImage, traceBytes } from './samples.ts'

const entries = (count: number): TraceEvent[] =>
  Array.from({ length: count }, (_, i) => event('kvm_entry', { rip: BigInt(i) }, { tick: i * 3 }))

const page = (fill: number): Uint8Array => new Uint8Array(4096).fill(fill)

describe('a trace file', () => {
  test('gives back every event of every kind as it was recorded', () => {
    fc.assert(
      fc.property(fc.array(arbitraryEvent, { maxLength: 60 }), events => {
        const reader = openTrace(traceBytes(events))
        expect([...reader.events()]).toStrictEqual(events)
        expect(reader.count).toBe(events.length)
        reader.verify()
      }),
      { seed: 7, numRuns: 150 },
    )
  })

  test('gives back configuration and image', () => {
    const { header } = openTrace(traceBytes([]))
    expect(header.config).toEqual(sampleHeader.config)
    expect(header.image).toStrictEqual(sampleImage)
    expect(header.version).toBe(TRACE_VERSION)
  })

  test('is the same bytes for the same run, whatever the order in which objects got their keys', () => {
    const one = traceBytes(entries(5000), headerWith({ a: 1, b: { c: 2n, d: 3 } }), [keyframeAt(10)])
    const two = traceBytes(entries(5000), headerWith({ b: { d: 3, c: 2n }, a: 1 }), [keyframeAt(10)])
    expect(two).toEqual(one)
  })

  test('names its identity when it is finished, and it changes with any event', () => {
    const sink = memorySink()
    const writer = createTraceWriter(sink, sampleHeader)
    for (const e of entries(5)) writer.event(e)
    const identity = writer.finish()
    const reader = openTrace(sink.bytes())
    expect(reader.identity).toBe(identity)
    expect(identity).toMatch(/^[0-9a-f]{64}$/)
    const other = memorySink()
    expect(rewriteTrace(reader, other, { event: (e, i) => (i === 2 ? { ...e, cpu: 1 } : e) })).not.toBe(identity)
    expect(openTrace(other.bytes()).event(2).cpu).toBe(1)
  })

  test('is read at any index, in any order, and from any range', () => {
    const events = entries(20_000)
    const reader = openTrace(traceBytes(events))
    for (const index of [0, 4095, 4096, 19_999, 8191, 8192, 12_345, 1]) expect(reader.event(index)).toStrictEqual(events[index])
    expect([...reader.events(4090, 4100)]).toStrictEqual(events.slice(4090, 4100))
    expect(reader.indexAtTick(3 * 12_000 - 1)).toBe(12_000)
    expect(reader.indexAtTick(1e9)).toBe(20_000)
    expect([...reader.entriesOfKinds(new Set(['kvm_exit']))]).toEqual([])
  })

  test('knows the end of the run when there is one', () => {
    const end = event('end', { reason: 'exit-port', status: 0, instructions: 12, hash: 'ab' })
    expect(openTrace(traceBytes([...entries(3), end])).end).toStrictEqual(end)
    expect(openTrace(traceBytes(entries(3))).end).toBeUndefined()
  })

  test('holds keyframes between events, with pages that add up', () => {
    const many = Array.from({ length: 300 }, (_, i) => [i + 8, page(i & 255)] as const)
    const keyframes = [
      keyframeAt(0, [
        [2, page(1)],
        [1, page(9)],
      ]),
      keyframeAt(3, many),
      keyframeAt(5, [[2, page(7)]]),
    ]
    const reader = openTrace(traceBytes(entries(5), sampleHeader, keyframes))
    expect(reader.keyframeIndex).toEqual(keyframes.map(({ index, tick, instructions }) => ({ index, tick, instructions })))
    const { pages, ...head } = reader.keyframe(1)
    const { pages: recorded, ...recordedHead } = keyframes[1]!
    expect(head).toStrictEqual(recordedHead)
    expect(pages.every(([number, bytes], i) => number === recorded[i]![0] && Buffer.compare(bytes, recorded[i]![1]) === 0)).toBe(true)
    expect(pages.length).toBe(300)
    expect(reader.keyframe(0).pages.map(([number]) => number)).toEqual([1, 2])
    expect(reader.pagesUpTo(1).get(2)).toEqual(page(1))
    expect(reader.pagesUpTo(2).get(2)).toEqual(page(7))
    expect(reader.pagesUpTo(2).size).toBe(302)
    reader.verify()
  })

  test('refuses to record what it could not give back', () => {
    const writer = createTraceWriter(memorySink(), sampleHeader)
    expect(() => writer.event(event('kvm_eoi', { apicid: 0, vector: 256 }))).toThrow('kvm_eoi.vector is u8, not 256')
    expect(() => writer.event(event('kvm_entry', { rip: -1n }))).toThrow('kvm_entry.rip is u64')
    expect(() => writer.event(event('kvm_entry', { rip: 5 }))).toThrow('kvm_entry.rip is u64')
    expect(() => writer.event(event('kvm_userspace_exit', {}))).toThrow('kvm_userspace_exit.reason is text')
    expect(() => createTraceWriter(memorySink(), headerWith({ kvm: { nested: undefined } }))).toThrow('config.kvm.nested is plain data')
    expect(() => writer.keyframe({ ...keyframeAt(0), state: { when: new Date(0) } })).toThrow()
  })

  test('does not depend on the codec’s native accelerator', () => {
    const script = `
      const { traceBytes, arbitraryEvent } = await import(${JSON.stringify(new URL('./samples.ts', import.meta.url).href)})
      const { openTrace } = await import(${JSON.stringify(new URL('../../src/trace/file.ts', import.meta.url).href)})
      const fc = (await import('fast-check')).default
      const { isNativeAccelerationEnabled } = await import('msgpackr')
      const bytes = traceBytes(fc.sample(arbitraryEvent, { seed: 3, numRuns: 300 }))
      const reader = openTrace(bytes)
      console.log(isNativeAccelerationEnabled, reader.identity, JSON.stringify([...reader.events()], (_, v) => typeof v === 'bigint' ? String(v) : v).length)`
    const run = (disabled: string): string[] =>
      execFileSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
        cwd: new URL('../..', import.meta.url),
        env: { ...process.env, MSGPACKR_NATIVE_ACCELERATION_DISABLED: disabled },
        encoding: 'utf8',
      }).split(' ')
    const without = run('true')
    expect(without[0]).toBe('false')
    expect(run('false').slice(1)).toEqual(without.slice(1))
  }, 30_000)
})

describe('a trace on disk', () => {
  test('streams whole blocks, so that a killed recording keeps what it had', () => {
    const folder = mkdtempSync(join(tmpdir(), 'vtick-'))
    try {
      const path = join(folder, 'T.vtrace')
      const writer = createTraceWriter(openTraceFile(path), sampleHeader)
      for (const e of entries(4096 + 10)) writer.event(e)
      const killed = openTrace(path)
      expect(killed.count).toBe(4096)
      expect(killed.truncated).toContain('events up to #4095 are whole')
      killed.close()
      writer.keyframe(keyframeAt(4106)) // puts on file what waits
      const later = openTrace(path)
      expect(later.count).toBe(4106)
      later.close()
      writer.finish()
      const whole = openTrace(path)
      expect(whole.truncated).toBeUndefined()
      expect(whole.event(4100)).toStrictEqual(entries(4101)[4100])
      whole.close()
      truncateSync(path, readFileSync(path).length - 1)
      expect(openTrace(path).truncated).toContain('cut short')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  test('is readable up to where the disk was full', () => {
    const sink = memorySink()
    let writes = 0
    const full = {
      write(bytes: Uint8Array) {
        if (++writes <= 3) return sink.write(bytes)
        sink.write(bytes.subarray(0, bytes.length >> 1))
        throw new Error('ENOSPC')
      },
      close() {},
    }
    const writer = createTraceWriter(full, sampleHeader)
    expect(() => {
      for (const e of entries(10_000)) writer.event(e)
    }).toThrow('ENOSPC')
    expect(() => writer.finish()).toThrow('finished once')
    expect(openTrace(sink.bytes()).count).toBe(4096)
  })

  test('ends a chunk early when its text grows long', () => {
    const sink = memorySink()
    const writer = createTraceWriter(sink, sampleHeader)
    for (let i = 0; i < 5; i++) writer.event(event('input', { device: 'console', bytes: new Uint8Array(400_000), instructions: 0 }))
    writer.finish()
    expect(openTrace(sink.bytes()).chunkCount).toBe(2)
  })
})
