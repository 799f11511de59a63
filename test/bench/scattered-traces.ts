/** Two traces of a million events, the second with so many exits more, scattered over it: what a diff has to find again. */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { TraceEvent } from '../../src/spec/trace-events.ts'
import { createTraceWriter, openTraceFile } from '../../src/trace/file.ts'
import { event, sampleHeader } from '../trace/samples.ts'

const EXIT = { info1: 0n, info2: 0n, intr_info: 0, error_code: 0 }
const PER_TURN = 5

/** A loop of exits for a timer and for a port, in random order. */
function* run(turns: number, extra: ReadonlySet<number>): Generator<TraceEvent> {
  let tick = 0
  let seed = 12345
  const at = (cycles: number): { tick: number } => {
    tick += cycles
    return { tick }
  }
  for (let turn = 0; turn < turns; turn++) {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0
    const rip = 0x100000n + BigInt((turn % 300) * 3)
    const isTimer = seed < 2 ** 31
    yield event('kvm_exit', { ...EXIT, reason: isTimer ? 32 : 30, rip }, at(100))
    if (isTimer) yield event('kvm_msr', { write: 1, index: 0x6e0, value: BigInt(5000 + tick), exception: 0 }, at(10))
    else yield event('kvm_pio', { write: 1, port: 0x3f8, size: 1, count: 1, value: turn & 0xff }, at(10))
    yield event('kvm_entry', { rip }, at(900))
    yield event('interrupt', { vector: 0xec, source: 'virtual', rip }, at(900))
    yield event('apic_timer_arm', { virtual_deadline: 1n, deadline: BigInt(5000 + tick) }, at(20))
    if (!extra.has(turn)) continue
    yield event('kvm_exit', { ...EXIT, reason: 12, rip }, at(100))
    yield event('kvm_entry', { rip }, at(100))
    yield event('interrupt', { vector: 0x20, source: 'virtual', rip }, at(100))
  }
}

/** The paths of both. */
export function scatteredTraces(directory: string, { events, hunks }: { events: number; hunks: number }): readonly string[] {
  mkdirSync(directory, { recursive: true })
  const turns = events / PER_TURN
  const places = new Set(Array.from({ length: hunks }, (_, i) => Math.floor(((i + 0.5) * turns) / hunks)))
  return [new Set<number>(), places].map((extra, side) => {
    const path = join(directory, `scattered-${side}.vtrace`)
    const writer = createTraceWriter(openTraceFile(path), sampleHeader)
    for (const each of run(turns, extra)) writer.event(each)
    writer.finish()
    return path
  })
}
