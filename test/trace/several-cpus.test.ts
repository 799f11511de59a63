/** Traces of several CPUs, and of L2, through everything that reads them: export and back, diff, statistics. */

import { describe, expect, test } from 'vitest'
import { diffTraces } from '../../src/trace/diff.ts'
import { ftraceLines } from '../../src/trace/export/ftrace.ts'
import { type PerfettoEvent, perfettoEvents } from '../../src/trace/export/perfetto.ts'
import { memorySink, openTrace } from '../../src/trace/file.ts'
import { isFtraceEvent } from '../../src/trace/ftrace-formats.ts'
import { importFtrace } from '../../src/trace/import-ftrace.ts'
import { rewriteTrace } from '../../src/trace/rewrite.ts'
import { statisticsBy } from '../../src/trace/statistics.ts'
import { recorded } from '../recorded.ts'

const KHZ = 2_000_000

const TRACES = {
  'of 2 CPUs': recorded('test/hw/smp.asm', { cpus: 2, defines: { CPUS: '2' } }),
  'of 4 CPUs': recorded('test/hw/smp.asm', { cpus: 4, defines: { CPUS: '4' } }),
  'of L2': recorded('examples/deadline-busy.asm', { defines: { TICKS: '3' }, level: 'L2' }),
}

const trackOf = ({ pid, tid }: PerfettoEvent): string => `${pid} ${tid}`

describe.each(Object.entries(TRACES))('a trace %s', (_, { reader, events }) => {
  test('comes back from ftrace text as the events that a kernel would tell', () => {
    const text = [...ftraceLines(events, KHZ, 'x86-tsc')].join('\n')
    expect(importFtrace(text, KHZ)).toEqual({ events: events.filter(isFtraceEvent), skipped: new Map() })
  })

  test('keeps the rules of Perfetto: slices nest strictly, and an arrow has both ends, in this order, each in a slice', () => {
    const entries = [...perfettoEvents(events, KHZ)]
    const open = new Map<string, number[]>()
    for (const entry of entries.filter(({ ph }) => ph === 'X').sort((a, b) => a.ts! - b.ts! || b.dur! - a.dur!)) {
      const ends = open.get(trackOf(entry)) ?? []
      while (ends.length > 0 && ends.at(-1)! <= entry.ts!) ends.pop()
      expect(entry.dur).toBeGreaterThanOrEqual(0)
      if (ends.length > 0) expect(entry.ts! + entry.dur!).toBeLessThanOrEqual(ends.at(-1)!)
      open.set(trackOf(entry), [...ends, entry.ts! + entry.dur!])
    }
    expect(open.size).toBeGreaterThan(1)
    const [starts, ends] = ['s', 'f'].map(ph => new Map(entries.filter(each => each.ph === ph).map(each => [each.id, each])))
    expect(entries.filter(({ ph }) => ph === 's' || ph === 'f').length).toBe(starts!.size + ends!.size) // no number twice
    expect([...starts!.keys()].sort()).toEqual([...ends!.keys()].sort())
    for (const [id, start] of starts!) expect(ends!.get(id)!.ts).toBeGreaterThanOrEqual(start.ts!)
    for (const arrow of [...starts!.values(), ...ends!.values()]) {
      const isAround = ({ ph, ts, dur, ...at }: PerfettoEvent): boolean =>
        ph === 'X' && trackOf(at as PerfettoEvent) === trackOf(arrow) && ts! <= arrow.ts! && arrow.ts! <= ts! + dur!
      expect(entries.some(isAround)).toBe(true)
    }
  })

  test('has each of its exits counted once, on its vCPU', () => {
    const exits = events.filter(({ kind }) => kind === 'kvm_exit')
    for (const cpu of new Set(events.map(event => event.cpu))) {
      const rows = statisticsBy(reader, 'vcpu').filter(({ vcpu }) => vcpu === cpu)
      expect(rows.reduce((sum, { samples }) => sum + samples, 0)).toBe(exits.filter(event => event.cpu === cpu).length)
    }
  })

  test('is equal to itself, and without one exit of its last CPU different in that place', () => {
    expect(diffTraces(reader, reader, { by: 'all' })).toMatchObject({ equal: true, hunkCount: 0 })
    const last = Math.max(...events.map(({ cpu }) => cpu))
    const dropped = events.findLastIndex(({ kind, cpu }) => kind === 'kvm_exit' && cpu === last)
    const sink = memorySink()
    rewriteTrace(reader, sink, { event: (event, index) => (index === dropped ? undefined : event) })
    const { hunks } = diffTraces(reader, openTrace(sink.bytes()), { by: 'exits' })
    expect(hunks).toHaveLength(1)
    expect(hunks[0]).toMatchObject({ a: [dropped], b: [] })
  })
})
