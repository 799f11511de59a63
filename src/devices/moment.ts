/**
 * When a device is asked: devices have no clock of their own. Each derives its cycles from the tick of the machine, so that between two
 * accesses nothing has to happen; what must happen by itself is asked for as a tick (`dueTick` in `devices/bus`).
 */

export interface Moment {
  readonly tick: number
  /** Ticks in a second. */
  readonly hertz: number
}

/** A device's moment that never comes. */
export const NOT_DUE = Number.MAX_SAFE_INTEGER

/** Whole cycles of a clock of `frequency` Hz that have passed since tick `from`. */
export const cyclesSince = (from: number, { tick, hertz }: Moment, frequency: number): number =>
  Math.floor((tick - from) / (hertz / frequency))

/** The first tick at which `cyclesSince(from)` reads at least `cycles`. */
export function tickAfterCycles(from: number, cycles: number, { hertz }: Moment, frequency: number): number {
  const estimate = from + Math.ceil(cycles * (hertz / frequency))
  if (estimate >= NOT_DUE) return NOT_DUE
  // Rounding may have put it one tick to either side.
  for (let tick = Math.max(from, estimate - 1); ; tick++) if (cyclesSince(from, { tick, hertz }, frequency) >= cycles) return tick
}
