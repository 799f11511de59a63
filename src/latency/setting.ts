/**
 * What one measurement is of: a guest, the level it runs at, KVM's parameters at L0, and how it waits. A row of the
 * series' tables is such a setting, and nothing else of the machine depends on it.
 */

import type { Image } from '../assembler/image.ts'
import type { CostTable } from '../hw/time/costs.ts'
import type { KvmParameters } from '../kvm/parameters.ts'
import { type RunConfig, resolveRunConfig } from '../session/config.ts'
import { latencyGuest } from './guests.ts'

export interface LatencySetting {
  readonly guest: 'timer-latency' | 'cyclictest'
  readonly level: 'L1' | 'L2'
  /** Module parameters of KVM at L0. */
  readonly parameters: Partial<KvmParameters>
  /** How timer-latency waits; cyclictest's thread sleeps, its kernel in HLT. */
  readonly wait: 'hlt' | 'busy'
}

export interface LatencyOptions {
  /** From one deadline to the next. */
  readonly periodNs: number
  /** Simulated time of a measurement. */
  readonly durationMs: number
  readonly costs: CostTable
  /** Seed of the host's jitter; null: everything takes its cost to the tick. */
  readonly jitterSeed: number | null
}

/** Of every measurement. */
export const TSC_KHZ = 2_000_000

/**
 * Assumption: a piece of kernel work takes up to a fifth longer than at its best, and one in 2,000 is held up by something else on
 * the host. What the tables say does not rest on it: another seed moves them by less than they are compared with.
 */
const JITTER = { spreadPercent: 20, hiccupOneIn: 2000, hiccupFactor: 8 } as const

export const ticksOfNs = (ns: number): number => Math.round((ns * TSC_KHZ) / 1_000_000)

/** The guest's program for a setting. */
export function imageOf({ guest, wait }: LatencySetting, { periodNs, durationMs, costs }: LatencyOptions): Image {
  if (guest === 'cyclictest') {
    const loops = Math.max(2, Math.round((durationMs * 1e6) / periodNs))
    const kernel = { KERNEL: String(costs.guestKernelWake), PAUSE: String(costs.pause) }
    return latencyGuest(guest, { LOOPS: String(loops), INTERVAL: String(ticksOfNs(periodNs)), ...kernel })
  }
  return latencyGuest(guest, {
    PERIOD_NS: String(periodNs),
    DURATION_NS: String(durationMs * 1e6),
    WAITS: '0',
    ...(wait === 'busy' ? { BUSY: '1' } : {}),
  })
}

export const configOf = ({ level, parameters }: LatencySetting, { costs, jitterSeed }: LatencyOptions): RunConfig =>
  resolveRunConfig({
    level,
    linuxTiming: true,
    costs,
    ...(jitterSeed === null ? {} : { jitter: { seed: jitterSeed, ...JITTER } }),
    parameters,
  })
