/** What expressions ask of a CPU at a moment, while the guest runs: registers and memory without a view of the whole machine. */

import type { Engine } from '../hw/cpu/engine.ts'
import type { Matcher } from '../query/filter-tests.ts'
import { bitsOf, type Location } from '../query/location.ts'
import { type Ask, type MomentWord, type Operand, valueAsked } from '../query/operand.ts'
import { eventFinder } from '../query/select.ts'
import { MemoryWatch, valueAt } from './location-value.ts'
import type { Timeline, TimelineView } from './timeline.ts'
import { guestRegisters, guestTimer, levelOf } from './timeline-guest.ts'

export class MomentReader implements Ask {
  readonly #timeline: Timeline
  readonly #engine: Engine
  /** By the location that they read, which is the same object every time. */
  readonly #watches = new Map<Location, MemoryWatch>()
  readonly #finders = new Map<Matcher, (from: number, direction: 1 | -1) => number>()
  /** The events since the moment before. */
  #from = 0
  #to = 0

  constructor(timeline: Timeline, engine: Engine) {
    this.#timeline = timeline
    this.#engine = engine
  }

  /** At a moment behind the events [from, to). */
  arrive(from: number, to: number): void {
    this.#from = from
    this.#to = to
  }

  /** What changes when the operand does; of memory also bytes that are not mapped. */
  compared(of: Operand): unknown {
    if (of.kind === 'location' && of.location.kind === 'memory') return this.#watch(of.location).read(this.#engine)
    return valueAsked(of, this)
  }

  location(location: Location): bigint | undefined {
    const { registers, rip } = this.#engine
    if (location.kind === 'register' && this.#isGuestRunning) return bitsOf(location, registers.gpr[location.index]!)
    if (location.kind === 'system' && location.name === 'rip' && this.#isGuestRunning) return rip
    if (location.kind === 'memory') return this.#watch(location).value(this.#engine)
    const view = this.#view()
    return valueAt(view, location, guestRegisters(view))
  }

  memory(address: bigint, bytes: number): bigint | undefined {
    return new MemoryWatch({ address, bytes }).value(this.#engine)
  }

  moment(word: MomentWord): bigint {
    const { machine, index } = this.#engine
    switch (word) {
      case 'cpu':
        return BigInt(index)
      case 'level':
        return BigInt(levelOf(machine, index))
      case 'tick':
        return BigInt(machine.tick)
      case 'instructions':
        return BigInt(this.#timeline.place.instructions)
      case 'tsc':
        return guestTimer(this.#view()).tsc
      case 'cpl':
        return BigInt(guestRegisters(this.#view()).cpl)
    }
  }

  happens(matcher: Matcher): boolean {
    if (this.#from >= this.#to) return false
    const { reader } = this.#timeline
    const find = this.#finders.get(matcher) ?? eventFinder(reader, matcher)
    this.#finders.set(matcher, find)
    for (let index = find(this.#from, 1); index >= 0 && index < this.#to; index = find(index + 1, 1))
      if (reader.event(index).cpu === this.#engine.index) return true
    return false
  }

  /** The registers of the guest are the CPU's. */
  get #isGuestRunning(): boolean {
    const { rootSoftware, mode } = this.#engine.cpu.vmx
    return rootSoftware !== 'kvm' || mode === 'non-root'
  }

  #watch(location: Extract<Location, { kind: 'memory' }>): MemoryWatch {
    const watch = this.#watches.get(location) ?? new MemoryWatch(location)
    this.#watches.set(location, watch)
    return watch
  }

  #view(): TimelineView {
    return { ...this.#timeline.here(), cpu: this.#engine.index }
  }
}
