/**
 * A trace in the Trace Event Format that Perfetto and Chrome open: a process for each vCPU with a track for each level. Guest code
 * and the handling of each exit are slices; what happens at one moment is an instant; an arrow goes from each arming of the APIC
 * timer to the interrupt that it led to.
 */

import { basicExitReason, exitReasonName } from '../../spec/exit-reasons.ts'
import type { TraceEvent } from '../../spec/trace-events.ts'
import { eventText, kindWord, msrLabel } from '../format.ts'

/** One entry of the format's `traceEvents`. `ts` and `dur` are microseconds. */
export interface PerfettoEvent {
  readonly name: string
  readonly ph: 'X' | 'i' | 's' | 'f' | 'M'
  readonly pid: number
  readonly tid: number
  readonly ts?: number
  readonly dur?: number
  readonly cat?: string
  readonly id?: number
  readonly s?: 't'
  readonly bp?: 'e'
  readonly args?: Readonly<Record<string, string | number>>
}

const LEVELS = [0, 1, 2] as const

interface OpenSlice {
  readonly name: string
  readonly level: number
  readonly start: number
  readonly args: Readonly<Record<string, string | number>>
}

interface Arming {
  readonly at: number
  readonly level: number
  /** The timer's vector, known when it has expired. */
  vector: number | undefined
}

interface CpuTracks {
  slice: OpenSlice | undefined
  arming: Arming | undefined
}

const DEADLINE_MSR = 0x6e0

/** Pid of a vCPU: 0 would be the idle task. */
const pidOf = (cpu: number): number => cpu + 1

function* names(cpu: number): Generator<PerfettoEvent> {
  yield { name: 'process_name', ph: 'M', pid: pidOf(cpu), tid: 0, args: { name: `vcpu ${cpu}` } }
  for (const level of LEVELS)
    yield { name: 'thread_name', ph: 'M', pid: pidOf(cpu), tid: level, args: { name: `L${level}${level === 0 ? ' (host)' : ''}` } }
}

const isArming = (event: TraceEvent): boolean =>
  (event.kind === 'kvm_msr' && event.write === 1 && event.index === DEADLINE_MSR && event.value !== 0n && event.exception === 0) ||
  (event.kind === 'apic_timer_arm' && event.deadline !== 0n)

/** Entries in order of their time of writing; slices of a track never overlap. */
export function* perfettoEvents(events: Iterable<TraceEvent>, tscKhz: number): Generator<PerfettoEvent, void, undefined> {
  const tracks = new Map<number, CpuTracks>()
  const microseconds = (tick: number): number => (tick * 1000) / tscKhz
  let arrows = 0
  let last = 0

  const close = function* (cpu: number, track: CpuTracks, tick: number): Generator<PerfettoEvent> {
    const { slice } = track
    if (slice === undefined) return
    track.slice = undefined
    const ts = microseconds(slice.start)
    yield { name: slice.name, ph: 'X', pid: pidOf(cpu), tid: slice.level, ts, dur: microseconds(tick) - ts, cat: 'cpu', args: slice.args }
  }
  const arrow = function* (cpu: number, { at, level }: Arming, event: TraceEvent): Generator<PerfettoEvent> {
    const common = { name: 'APIC timer', cat: 'timer', id: ++arrows, pid: pidOf(cpu) }
    yield { ...common, ph: 's', tid: level, ts: microseconds(at) }
    yield { ...common, ph: 'f', bp: 'e', tid: event.level, ts: microseconds(event.tick) }
  }

  for (const event of events) {
    const { tick, cpu, level } = event
    last = tick
    let track = tracks.get(cpu)
    if (track === undefined) {
      track = { slice: undefined, arming: undefined }
      tracks.set(cpu, track)
      yield* names(cpu)
    }
    switch (event.kind) {
      case 'kvm_entry':
      case 'vmx_entry':
        yield* close(cpu, track, tick)
        track.slice = { name: `L${level}`, level, start: tick, args: { rip: `0x${event.rip.toString(16)}` } }
        continue
      case 'kvm_exit':
      case 'vmx_exit': {
        yield* close(cpu, track, tick)
        const name = exitReasonName(basicExitReason(event.reason))
        track.slice = { name, level: 0, start: tick, args: { from: `L${level}`, rip: `0x${event.rip.toString(16)}` } }
        continue
      }
    }
    if (isArming(event)) track.arming = { at: tick, level, vector: undefined }
    else if (track.arming !== undefined && (event.kind === 'apic_timer_fire' || event.kind === 'kvm_apic_accept_irq'))
      track.arming.vector = event.vector
    else if (event.kind === 'interrupt' && track.arming?.vector === event.vector) {
      yield* arrow(cpu, track.arming, event)
      track.arming = undefined
    }
    const name = event.kind === 'kvm_msr' ? `${event.write ? 'wrmsr' : 'rdmsr'} ${msrLabel(event.index)}` : kindWord(event)
    yield { name, ph: 'i', s: 't', pid: pidOf(cpu), tid: level, ts: microseconds(tick), cat: event.kind, args: { text: eventText(event) } }
  }
  for (const [cpu, track] of tracks) yield* close(cpu, track, last)
}
