/**
 * How much longer than its cost a piece of the host's work takes: caches, other CPUs and memory are not modelled, a distribution
 * stands for them. The draw is a function of the seed and of the tick, so a run can be repeated and there is no state to keep.
 */

import { shiftRight, unsigned } from '../../base/u64.ts'
import { splitMix64 } from '../cpu/system/random.ts'

export interface HostJitter {
  readonly seed: number
  /** Every piece takes up to so many percent longer, all equally likely. */
  readonly spreadPercent: number
  /** One piece of so many takes `hiccupFactor` times as long: something else had the CPU. */
  readonly hiccupOneIn: number
  readonly hiccupFactor: number
}

/** Ticks that `ticks` of work at `tick` take. */
export function jittered({ seed, spreadPercent, hiccupOneIn, hiccupFactor }: HostJitter, ticks: number, tick: number): number {
  const draw = splitMix64(BigInt(seed), tick)
  const share = Number(unsigned(32, draw)) / 2 ** 32
  const isHiccup = Number(shiftRight(draw, 32)) % hiccupOneIn === 0
  return Math.floor(ticks * (isHiccup ? hiccupFactor : 1 + (share * spreadPercent) / 100))
}
