/**
 * What a journey through a recorded run stops at, asked moment by moment. Of several CPUs each is asked at every moment: whose turn it
 * is says nothing about whose register has changed, or who was told what.
 */

import type { Engine } from '../hw/cpu/engine.ts'
import { CS } from '../isa/operands.ts'
import type { Operand } from '../query/operand.ts'
import type { StateTest } from '../query/stop-expression.ts'
import { type Access, accessesOf, touches } from './accesses.ts'
import { instructionAt } from './instruction-at.ts'
import { MomentReader } from './moment-reader.ts'
import type { Timeline } from './timeline.ts'

/**
 * address: a CPU is about to execute there, by RIP; `isLinear`: by the linear address, which segments move. change: what is read is not what it was. event: an event of the recording, by its number,
 * as `find` says. state: what `holds` says of a moment became true. access: an instruction read, or read or wrote, memory there.
 */
export type Stop =
  | { readonly kind: 'address'; readonly address: bigint; readonly isLinear?: boolean }
  | { readonly kind: 'change'; readonly of: Operand }
  | { readonly kind: 'event'; readonly find: (from: number, direction: 1 | -1) => number }
  | { readonly kind: 'state'; readonly holds: StateTest }
  | { readonly kind: 'access'; readonly access: Access; readonly address: bigint; readonly bytes: number }

type Numbered<K extends Stop['kind']> = Extract<Stop, { kind: K }> & { readonly position: number }

const numbered = <K extends Stop['kind']>(stops: readonly Stop[], kind: K): readonly Numbered<K>[] =>
  stops.flatMap((stop, position) => (stop.kind === kind ? [{ ...(stop as Extract<Stop, { kind: K }>), position }] : []))

/** An instruction that would touch what is watched, and the instructions that its CPU had retired before. */
interface Touching {
  readonly position: number
  readonly engine: Engine
  readonly instructions: number
  readonly following: bigint
}

const linearRip = ({ bits, registers }: Engine, rip: bigint): bigint =>
  bits === 64 ? rip : BigInt.asUintN(32, registers.segmentBase[CS]! + rip)

/** Sees every moment of a stretch in order; says of which stop, by its place in the list, it is one. -1: none. */
export class Watcher {
  readonly #timeline: Timeline
  readonly #addresses: ReadonlyMap<bigint, number>
  readonly #linear: ReadonlyMap<bigint, number>
  readonly #changes: readonly Numbered<'change'>[]
  readonly #states: readonly Numbered<'state'>[]
  readonly #accesses: readonly Numbered<'access'>[]
  /** By CPU. */
  readonly #readers: readonly MomentReader[]
  readonly #values: unknown[][]
  readonly #truths: boolean[][]
  #touching: Touching | null = null
  #events = 0

  constructor(timeline: Timeline, stops: readonly Stop[]) {
    this.#timeline = timeline
    const addresses = (isLinear: boolean): ReadonlyMap<bigint, number> =>
      new Map(numbered(stops, 'address').flatMap(row => ((row.isLinear ?? false) === isLinear ? [[row.address, row.position]] : [])))
    this.#addresses = addresses(false)
    this.#linear = addresses(true)
    this.#changes = numbered(stops, 'change')
    this.#states = numbered(stops, 'state')
    this.#accesses = numbered(stops, 'access')
    this.#readers = timeline.engines.map(engine => new MomentReader(timeline, engine))
    this.#values = this.#readers.map(() => [])
    this.#truths = this.#readers.map(() => [])
  }

  /** The first moment of a stretch: what later ones are compared with. */
  begin(engine: Engine): void {
    this.#events = this.#timeline.place.events
    for (const [cpu, reader] of this.#readers.entries()) {
      reader.arrive(this.#events, this.#events)
      this.#values[cpu] = this.#changes.map(({ of }) => reader.compared(of))
      this.#truths[cpu] = this.#states.map(({ holds }) => holds(reader))
    }
    this.#lookAhead(engine)
  }

  /** The address that is stopped at here; changes and truth need a moment before. */
  stopAt(engine: Engine): number {
    if (this.#addresses.size + this.#linear.size === 0) return -1
    const { rip } = engine
    return this.#addresses.get(rip) ?? this.#linear.get(linearRip(engine, rip)) ?? -1
  }

  see(engine: Engine): number {
    let found = this.#touched()
    for (const [cpu, reader] of this.#readers.entries()) found = this.#compare(cpu, reader, found)
    if (this.#states.length > 0) found = this.#judge(found)
    this.#lookAhead(engine)
    return found >= 0 ? found : this.stopAt(engine)
  }

  #compare(cpu: number, reader: MomentReader, foundBefore: number): number {
    let found = foundBefore
    const values = this.#values[cpu]!
    for (const [i, { of, position }] of this.#changes.entries()) {
      const value = reader.compared(of)
      if (value !== values[i] && found < 0) found = position
      values[i] = value
    }
    return found
  }

  #judge(foundBefore: number): number {
    let found = foundBefore
    const { events } = this.#timeline.place
    for (const [cpu, reader] of this.#readers.entries()) {
      const truths = this.#truths[cpu]!
      for (const [i, { holds, position }] of this.#states.entries()) {
        reader.arrive(this.#events, events)
        const isTrue = holds(reader)
        if (isTrue && !truths[i] && found < 0) found = position
        reader.arrive(events, events) // what held because of an event is over with it
        truths[i] = isTrue && holds(reader)
      }
    }
    this.#events = events
    return found
  }

  /** Whether the instruction that comes would touch what is watched. */
  #lookAhead(engine: Engine): void {
    this.#touching = null
    if (this.#accesses.length === 0) return
    const instruction = instructionAt(engine)
    if (instruction === null) return
    engine.flush()
    const accesses = accessesOf(engine, instruction)
    const stop = this.#accesses.find(watched => accesses.some(access => touches(access, watched)))
    if (stop === undefined) return
    const following = BigInt.asUintN(64, engine.rip + BigInt(instruction.length))
    this.#touching = { position: stop.position, engine, instructions: engine.cpu.instructions, following }
  }

  /** The stop that the instruction before touched: it retired, or KVM did it for the guest, which goes on behind it. */
  #touched(): number {
    const touching = this.#touching
    if (touching === null) return -1
    const { engine, position, instructions, following } = touching
    return engine.cpu.instructions > instructions || engine.rip === following ? position : -1
  }
}
