/** The host part of asm/timer-latency.asm: starts it, lets it run for a while, tells it to stop, and reads what it measured. */

import type { Image } from '../../src/assembler/image.ts'
import { retired } from '../../src/hw/run.ts'
import type { Statistics } from '../../src/kvm/statistics.ts'
import { type RunOptions, resolveRunConfig } from '../../src/session/config.ts'
import { drive, type GuestRun, instructionsOf, type RunEnd, startRun } from '../../src/session/guest-run.ts'
import type { TraceEvent } from '../../src/spec/trace-events.ts'
import { type ExitRow, exitStatistics } from '../../src/trace/statistics.ts'
import { guestImage } from '../recorded.ts'

export interface LatencyOptions extends RunOptions {
  readonly busy?: boolean
  readonly periodNs?: number
  readonly allowedNs?: number
  readonly oneShot?: boolean
  readonly xapic?: boolean
  readonly print?: boolean
  readonly nested?: boolean
  /** How long, in microseconds of the machine's time. */
  readonly durationUs: number
  readonly tscKhz?: number
}

export interface Sampled {
  readonly count: number
  readonly sum: number
  readonly min: number
  readonly max: number
  /** The last ones, in the order in which they were taken. */
  readonly samples: readonly number[]
}

export interface Latency {
  readonly interrupt: Sampled
  readonly wakeup: Sampled
  readonly waits: number
  readonly set: number
  readonly received: number
  readonly console: string
  readonly end: RunEnd | null
  readonly stats: Statistics | null
  readonly exits: readonly ExitRow[]
}

const GUEST = 'asm/timer-latency.asm'
const RING = 1024
const SLICE = 2000

function definesOf({ busy, periodNs, allowedNs, oneShot, xapic, print, nested, tscKhz }: LatencyOptions): Record<string, string> {
  const flags = Object.entries({ BUSY: busy, ONE_SHOT: oneShot, XAPIC: xapic, PRINT: print, NESTED: nested }).filter(([, on]) => on)
  const values = Object.entries({ PERIOD_NS: periodNs, ALLOWED_NS: allowedNs, TSC_KHZ: tscKhz }).filter(([, value]) => value !== undefined)
  return {
    WAITS: '0',
    ...Object.fromEntries([...flags.map(([name]) => [name, '']), ...values.map(([name, value]) => [name, String(value)])]),
  }
}

/** Where the guest's memory lies in the machine's. */
const memoryAt = ({ mode, hypervisor }: GuestRun['config']): number =>
  (mode === 'kvm' ? 16 * 2 ** 20 : 0) + (hypervisor === null ? 0 : 64 * 2 ** 20)

function addressOf({ symbols }: Image, guest: GuestRun, name: string): number {
  const symbol = symbols.find(candidate => candidate.name === name)
  if (symbol === undefined) throw new Error(`the guest has no ${name}`)
  return memoryAt(guest.config) + Number(symbol.value)
}

function sampled({ machine: { memory } }: GuestRun, stats: number, ring: number): Sampled {
  const count = Number(memory.read64(stats))
  const kept = Array.from({ length: Math.min(count, RING) }, (_, at) =>
    memory.read32(ring + 4 * ((count - Math.min(count, RING) + at) % RING)),
  )
  return { count, sum: Number(memory.read64(stats + 8)), min: memory.read32(stats + 16), max: memory.read32(stats + 20), samples: kept }
}

export function timerLatency(options: LatencyOptions): Latency {
  const image = guestImage(GUEST, definesOf(options))
  const events: TraceEvent[] = []
  const guest = startRun(resolveRunConfig(options), image, event => events.push(event))
  if (options.tscKhz !== undefined) guest.vmm!.vcpu.setTscKhz(options.tscKhz)
  const { machine } = guest
  const stopAt = machine.tick + options.durationUs * (machine.config.tscKhz / 1000)
  let end: RunEnd | null = null
  while (machine.tick < stopAt && (end === null || end.reason === 'budget')) end = drive(guest, instructionsOf(guest) + SLICE)
  machine.memory.write8(addressOf(image, guest, 'stop'), 1)
  end = drive(guest, retired(machine) + 5_000_000)
  const [stats, ring] = [addressOf(image, guest, 'latency_stats'), addressOf(image, guest, 'latency_samples')]
  const counter = (index: number): number => Number(machine.memory.read64(stats + 48 + 8 * index))
  return {
    interrupt: sampled(guest, stats, ring),
    wakeup: sampled(guest, stats + 24, ring + 4 * RING),
    waits: counter(0),
    set: counter(1),
    received: counter(2),
    console: Buffer.from(events.flatMap(event => (event.kind === 'console' ? [event.byte] : []))).toString('latin1'),
    end,
    stats: guest.vmm?.vcpu.getStats() ?? null,
    exits: [...exitStatistics(events)],
  }
}
