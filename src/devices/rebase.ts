/**
 * Devices that go on elsewhere: their states hold ticks, and another machine counts others, maybe of another length. As much time as had
 * passed since each of them has passed there. What counts from a machine's start (the ACPI timer, the refresh bit of port 0x61) is as long
 * ago as the machine is old.
 */

import type { BusState } from './devices.ts'
import type { Moment } from './moment.ts'
import type { PitState } from './pit.ts'

type Rebase = (tick: number) => number

const rebase =
  (from: Moment, to: Moment): Rebase =>
  tick =>
    to.tick - Math.round((from.tick - tick) * (to.hertz / from.hertz))

const movedPit = (pit: PitState, moved: Rebase): PitState => ({
  ...pit,
  counters: pit.counters.map(counter => ({ ...counter, loaded: moved(counter.loaded) })) as PitState['counters'],
})

/** A copy of a PIT's state of the moment `from`, for the moment `to` of another machine. */
export const rebasePit = (pit: PitState, from: Moment, to: Moment): PitState => movedPit(structuredClone(pit), rebase(from, to))

export function rebaseDevices(devices: BusState, from: Moment, to: Moment): BusState {
  const moved = rebase(from, to)
  const bus = structuredClone(devices)
  return {
    ...bus,
    pit: movedPit(bus.pit, moved),
    rtc: { ...bus.rtc, since: moved(bus.rtc.since), periodicSince: moved(bus.rtc.periodicSince) },
    hpet: { ...bus.hpet, since: moved(bus.hpet.since) },
    settled: moved(bus.settled),
  }
}
