/** What happens to a file while it is written and kept: disks that fill, writers that are killed, bits that flip, and forgers. */

import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { createTraceWriter, memorySink, openTrace, openTraceFile, TraceFileError } from '../../src/trace/file.ts'
import { isFull } from '../slice.ts'
import { HOSTILE_FILES } from './hostile-files.ts'
import { event, keyframeAt, sampleHeader } from './samples.ts'

const directory = mkdtempSync(join(tmpdir(), 'vtick-faults-'))
afterAll(() => rmSync(directory, { recursive: true }))

const script = (name: string, ...words: readonly string[]): readonly string[] => [
  '--import',
  'tsx',
  join(import.meta.dirname, name),
  ...words,
]

/** Text that compresses badly, so that the file grows large. */
function noise(length: number, seed: number): string {
  let state = seed
  return Array.from({ length }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    return String.fromCharCode(33 + ((state >>> 16) % 90))
  }).join('')
}

const note = (i: number) => event('end', { reason: noise(40, i), status: 0, instructions: i, hash: '' }, { tick: i })

function largeTrace(): Uint8Array {
  const sink = memorySink()
  const writer = createTraceWriter(sink, sampleHeader)
  writer.keyframe(keyframeAt(0))
  for (let i = 0; i < 20_000; i++) writer.event(note(i))
  writer.finish()
  return sink.bytes()
}

describe('a large trace', () => {
  test('is refused for a flipped bit, wherever it is', () => {
    const bytes = largeTrace()
    expect(bytes.length).toBeGreaterThan(500_000)
    expect(() => openTrace(bytes)).not.toThrow()
    let state = 7
    const random = (below: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0
      return Math.floor((state / 2 ** 32) * below)
    }
    for (let n = 0; n < (isFull ? 10_000 : 200); n++) {
      const [at, bit] = [random(bytes.length), random(8)]
      bytes[at]! ^= 1 << bit
      expect(() => openTrace(bytes), `bit ${bit} of byte ${at}`).toThrow(TraceFileError)
      bytes[at]! ^= 1 << bit
    }
  }, 300_000)
})

describe('a disk that fills', () => {
  test.each([1000, 2000, 4000])('after %d bytes: the writer says so once, and every whole chunk is read', room => {
    const path = join(directory, `full-${room}.vtrace`)
    const file = openTraceFile(path)
    let left = room
    const writer = createTraceWriter(
      {
        write(bytes) {
          const fits = bytes.subarray(0, Math.max(left, 0)) // as a file system does: what fits is written
          file.write(fits)
          left -= bytes.length
          if (left < 0) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC', syscall: 'write' })
        },
        close: () => file.close(),
      },
      sampleHeader,
    )
    let recorded = 0
    expect(() => {
      for (; ; recorded++) {
        if (recorded % 10 === 0) writer.keyframe(keyframeAt(recorded))
        writer.event(note(recorded))
      }
    }).toThrow('ENOSPC')
    expect(statSync(path).size).toBe(room)
    const reader = openTrace(path)
    reader.verify()
    expect(reader.truncated).toContain('cut short')
    expect(reader.count % 10).toBe(0)
    expect(recorded - reader.count).toBeLessThanOrEqual(20)
    reader.close()
    expect(() => writer.event(note(0))).toThrow('takes no more events')
  })
})

describe('a writer that is killed', () => {
  test('leaves a file that opens to its last whole block', async () => {
    const path = join(directory, 'killed.vtrace')
    const child = spawn(process.execPath, script('write-for-ever.ts', path), { stdio: 'ignore' })
    const closed = new Promise<NodeJS.Signals | null>(resolve => child.on('close', (_, signal) => resolve(signal)))
    while ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) < 20_000 && child.exitCode === null)
      await new Promise(resolve => setTimeout(resolve, 10))
    child.kill('SIGKILL')
    expect(await closed).toBe('SIGKILL')
    const reader = openTrace(path)
    reader.verify()
    expect(reader.truncated).toContain('cut short')
    expect(reader.count).toBeGreaterThan(0)
    expect([...reader.events()].every(({ tick }, i) => tick === i)).toBe(true)
    reader.close()
  }, 30_000)
})

describe('a hostile file', () => {
  const peakOf = (...paths: readonly string[]): { readonly lines: readonly string[]; readonly peak: number } => {
    const lines = execFileSync(process.execPath, script('open-hostile.ts', ...paths), { encoding: 'utf8' })
      .trim()
      .split('\n')
    return { lines: lines.slice(0, -1), peak: Number(lines.at(-1)) }
  }

  test('is refused within 200 MB of memory above what the process takes without it', () => {
    const files = Object.entries(HOSTILE_FILES)
    const empty = peakOf()
    for (const [name, bytes] of isFull ? files : files.slice(0, 3)) {
      const path = join(directory, 'hostile.vtrace')
      writeFileSync(path, bytes)
      const { lines, peak } = peakOf(path)
      expect(lines, name).toEqual([expect.stringMatching(/the trace is damaged: .*; take another copy/)])
      expect(peak - empty.peak, name).toBeLessThan(200e6)
    }
  }, 60_000)
})
