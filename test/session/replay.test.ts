/** Replay agrees with its recording, and names what was altered. */

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { replay } from '../../src/session/replay.ts'
import type { TraceEvent } from '../../src/spec/trace-events.ts'
import { memorySink, openTrace } from '../../src/trace/file.ts'
import { rewriteTrace } from '../../src/trace/rewrite.ts'
import { recorded } from '../recorded.ts'
import { slice } from '../slice.ts'

const echo = () => recorded('examples/echo.asm', { input: Buffer.from('hello\n'), keyframeEvents: 100 })

function altered(bytes: Uint8Array, event: (event: TraceEvent, index: number) => TraceEvent | undefined) {
  const sink = memorySink()
  rewriteTrace(openTrace(bytes), sink, { event })
  return openTrace(sink.bytes())
}

describe('a recording with console input', () => {
  test('replays with nobody at the console', () => {
    const { reader, recording, console } = echo()
    expect(console).toContain('you said: hello')
    expect(replay(reader)).toMatchObject({ kind: 'same', hash: recording.hash, events: recording.events })
  })

  test('whose input was dropped diverges and says that an input is missing', () => {
    const result = replay(altered(echo().bytes, event => (event.kind === 'input' ? undefined : event)))
    expect(result.kind).toBe('diverged')
    if (result.kind === 'diverged') expect(result.divergence.cause).toContain('input')
  })

  test('whose input was altered diverges at the byte that the guest reads', () => {
    const other = (event: TraceEvent) => (event.kind === 'input' ? { ...event, bytes: Buffer.from('jello\n') } : event)
    const result = replay(altered(echo().bytes, other))
    expect(result.kind).toBe('diverged')
    if (result.kind !== 'diverged') return
    expect(result.divergence.expected).toMatchObject({ kind: 'kvm_pio', write: 0, value: 'h'.charCodeAt(0) })
    expect(result.divergence.actual).toMatchObject({ kind: 'kvm_pio', write: 0, value: 'j'.charCodeAt(0) })
    expect(result.divergence.cause).toContain('input')
  })
})

describe('an altered observation', () => {
  test('is named by its number, with both sides', () => {
    const { bytes, events } = recorded('examples/masked.asm')
    const index = events.findIndex(event => event.kind === 'kvm_msr')
    const result = replay(altered(bytes, (event, at) => (at === index ? ({ ...event, value: 0x1234n } as TraceEvent) : event)))
    expect(result).toMatchObject({ kind: 'diverged', divergence: { index, expected: { value: 0x1234n }, actual: events[index] } })
  })
})

test('two processes write the same bytes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vtick-'))
  try {
    const script = join(import.meta.dirname, 'record-one.ts')
    const files = ['a', 'b'].map(name => join(folder, `${name}.vtrace`))
    for (const file of files) execFileSync(process.execPath, ['--import', 'tsx', script, 'examples/deadline-busy.asm', file])
    expect(readFileSync(files[0]!).equals(readFileSync(files[1]!))).toBe(true)
  } finally {
    rmSync(folder, { recursive: true })
  }
}, 30_000)

describe('where a run is stopped is not observable', () => {
  test.each([100, 333])(
    'keyframes every %d events: the same events and the same end',
    keyframeEvents => {
      const reference = recorded('examples/deadline-busy.asm', { defines: { TICKS: '3' } })
      const { reader, recording } = recorded('examples/deadline-busy.asm', {
        defines: { TICKS: '3' },
        keyframeEvents,
        keyframeInstructions: 2003,
      })
      expect(recording.hash).toBe(reference.recording.hash)
      for (const keyframe of slice([...reader.keyframeIndex.keys()], 3))
        expect(replay(reader, { keyframe })).toMatchObject({ kind: 'same', hash: recording.hash })
    },
    30_000,
  )
})
