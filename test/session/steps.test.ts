/**
 * Steps, breakpoints and watches, forward and back, compared with a list of all moments of the run that says what every CPU held; in
 * 64-bit mode under KVM, on the CPU and one level deeper, with 32-bit and PAE paging, and with two CPUs.
 */

import { describe, expect, it } from 'vitest'
import { lineAt } from '../../src/assembler/image.ts'
import { hashMachine } from '../../src/hw/snapshot.ts'
import { isProblem, type Location, parseLocation } from '../../src/query/location.ts'
import { stopOf } from '../../src/session/expression-stop.ts'
import { valueAt } from '../../src/session/location-value.ts'
import { EVENT_STEPS, STEP_EVENTS, type StepKind, stepBackward, stepForward } from '../../src/session/steps.ts'
import { openTimeline, type Place, type Timeline, type TimelineView } from '../../src/session/timeline.ts'
import { guestRegisters, levelOf } from '../../src/session/timeline-guest.ts'
import { type Arrival, continueBackward, continueForward, type Journey, START, travel } from '../../src/session/travel.ts'
import type { TraceReader } from '../../src/trace/file.ts'
import { recorded } from '../recorded.ts'
import { slice } from '../slice.ts'

const protectedBoot = { kind: 'protected', commandLine: 'calls', modules: [] } as const

const RUNS = {
  'under KVM': recorded('test/session/calls.asm'),
  'on the CPU': recorded('test/session/calls.asm', { bare: true }),
  'as L2': recorded('test/session/calls.asm', { level: 'L2' }),
  'with 32-bit paging': recorded('test/session/calls-32.asm', { boot: protectedBoot }),
  'with PAE paging': recorded('test/session/calls-32.asm', { boot: protectedBoot, defines: { PAE: '1' } }),
  'with two CPUs': recorded('test/gdb/two-cpus.asm', { cpus: 2 }),
  'with two CPUs and no KVM': recorded('test/gdb/two-cpus.asm', { cpus: 2, bare: true }),
} as const
type RunName = keyof typeof RUNS

interface Moment extends Place {
  readonly cpu: number
  readonly rip: bigint
  readonly view: Pick<TimelineView, 'instructions' | 'eventIndex'>
  /** What each of the CPUs holds, by the texts that were asked for. */
  readonly held: readonly Readonly<Record<string, bigint | undefined>>[]
}

const labelsOf = ({ header }: TraceReader): ReadonlyMap<string, bigint> =>
  new Map(header.image.symbols.map(({ name, value }) => [name, value]))

function locationsOf(reader: TraceReader, texts: readonly string[]): readonly (readonly [string, Location])[] {
  return texts.map(text => {
    const location = parseLocation(text, labelsOf(reader))
    if (isProblem(location)) throw new Error(location.problem)
    return [text, location]
  })
}

function momentsOf(reader: TraceReader, texts: readonly string[] = []): readonly Moment[] {
  const timeline = openTimeline(reader)
  const locations = locationsOf(reader, texts)
  const seen: Moment[] = []
  for (let view: TimelineView | undefined = timeline.atMoment(START); view !== undefined; view = timeline.nextMoment()) {
    const now = view
    const held = now.machine.cpus.map(({ index }) =>
      Object.fromEntries(locations.map(([text, location]) => [text, valueAt({ ...now, cpu: index }, location)])),
    )
    const { instructions, eventIndex, cpu } = now
    seen.push({ instructions, events: eventIndex, cpu, rip: guestRegisters(now).rip, view: { instructions, eventIndex }, held })
  }
  return seen
}

const placeOf = ({ instructions, events }: Place): Place => ({ instructions, events })
const end = (journey: Journey): Arrival => travel(journey)!

/** Where the machine stands at a place, and the hash of all it holds. */
function stateAt(timeline: Timeline, place: Place): { readonly place: Place; readonly hash: string } {
  const { machine, instructions, eventIndex } = timeline.atMoment(place)
  return { place: { instructions, events: eventIndex }, hash: hashMachine(machine) }
}

/** What a stop comes to, over the whole run: forward from the start, then back from the end; with the end of the run each time. */
function tour(reader: TraceReader, text: string): { readonly forward: readonly Place[]; readonly back: readonly Place[] } {
  const timeline = openTimeline(reader)
  const stops = [stopOf(timeline, text)]
  const go = (direction: typeof continueForward, from: Place): Place[] => {
    const { place, reason } = end(direction(timeline, from, stops))
    return reason.kind === 'stop' ? [place, ...go(direction, place)] : []
  }
  return { forward: go(continueForward, START), back: go(continueBackward, momentsEnd(timeline)).reverse() }
}

const momentsEnd = (timeline: Timeline): Place => end(continueForward(timeline, START, [])).place

/** A watch stops at the first moment that differs from the one before, of any CPU; backward at the one before. */
const changesOf = (all: readonly Moment[], text: string): readonly number[] =>
  all.flatMap((moment, i) => (i > 0 && moment.held.some((held, cpu) => held[text] !== all[i - 1]!.held[cpu]![text]) ? [i] : []))

const WATCHED: Readonly<Record<RunName, readonly string[]>> = {
  'under KVM': [
    'rbx',
    'al',
    'rflags',
    '[counter]:4',
    '[counter+2]:6',
    'msr:0xc0000103',
    'vmcs.GUEST_RIP',
    'vmcs.VM_EXIT_REASON',
    'exit == 1',
  ],
  'on the CPU': ['rsp', '[counter]:4', 'msr:0xc0000103'],
  'as L2': ['[counter]:4', 'vmcs12.VM_EXIT_REASON', 'vmcs02.GUEST_RIP'],
  'with 32-bit paging': ['ebx', '[0x400000]:4', 'cr0'],
  'with PAE paging': ['ebx', '[0x400000]:4', 'cr4'],
  'with two CPUs': ['r15', '[arrived]:4', 'msr:0x80b'],
  'with two CPUs and no KVM': ['r15', '[arrived]:4', 'cr0'],
}

describe.each(Object.entries(WATCHED) as [RunName, readonly string[]][])('%s', (name, watched) => {
  const { reader } = RUNS[name]
  const texts = watched.filter(text => !text.includes('=='))
  const all = momentsOf(reader, texts)

  it.each(slice(texts, 2))('a watch of %s stops behind every change, and backward before it', text => {
    const changes = changesOf(all, text)
    if (text !== 'msr:0x80b') expect(changes.length, 'it changes').toBeGreaterThan(0)
    const { forward, back } = tour(reader, text)
    expect(forward).toEqual(changes.map(i => placeOf(all[i]!)))
    const before = new Set(changes.map(i => i - 1).filter(i => i < all.length - 1))
    expect(back).toEqual([...before].map(i => placeOf(all[i]!)))
  })

  it('a step by instruction and back leads to the same place and the same state', () => {
    const timeline = openTimeline(reader)
    for (const share of [0.2, 0.5, 0.9]) {
      const from = all[Math.floor(share * all.length)]!
      const before = stateAt(timeline, from)
      const there = end(stepForward(timeline, from, 'instruction')).place
      const hash = stateAt(timeline, there)
      expect(hash.hash).not.toBe(before.hash)
      expect(stateAt(timeline, end(stepBackward(timeline, there, 'instruction')).place)).toEqual(before)
      expect(stateAt(timeline, end(stepForward(timeline, before.place, 'instruction')).place)).toEqual(hash)
    }
  })

  it('steps by event lead to the next event of the kind, and to the last one before', () => {
    const timeline = openTimeline(reader)
    const from = all[Math.floor(all.length / 2)]!
    for (const kind of EVENT_STEPS) {
      const kinds: ReadonlySet<string> = STEP_EVENTS[kind]
      const events = [...reader.events()].flatMap((event, index) => (kinds.has(event.kind) ? [index] : []))
      const next = events.find(index => index >= from.events)
      const last = events.findLast(index => index < from.events)
      expect(end(stepForward(timeline, from, kind)).event, `${kind} on`).toBe(next)
      expect(end(stepBackward(timeline, from, kind)).event, `${kind} back`).toBe(last)
    }
    expect(end(stepForward(timeline, from, 'event')).event).toBe(from.events < reader.count ? from.events : undefined)
    expect(end(stepBackward(timeline, from, 'event')).event).toBe(from.events > 0 ? from.events - 1 : undefined)
  })
})

/** The full run tries them in each mode. */
const CALLS = slice(['with PAE paging', 'on the CPU', 'with 32-bit paging', 'as L2', 'under KVM'] as const, 2)

describe.each(CALLS)('calls %s', name => {
  const { reader } = RUNS[name]
  const timeline = openTimeline(reader)
  const labels = labelsOf(reader)
  const all = momentsOf(reader)
  /** An instruction that exits and is tried again has several moments; a visit begins with the first. */
  const visit = (label: string, n = 0): Moment => {
    const isVisit = ({ rip, instructions }: Moment, i: number): boolean =>
      rip === labels.get(label) && !(all[i - 1]?.rip === rip && all[i - 1]?.instructions === instructions)
    return all.filter(isVisit)[n]!
  }
  /** The last moment of a visit: then it is done. */
  const done = (label: string, n = 0): Moment => {
    const { rip, instructions } = visit(label, n)
    return all.findLast(moment => moment.rip === rip && moment.instructions === instructions)!
  }
  const stepped = (from: Place, kind: StepKind, direction: 1 | -1 = 1): Place =>
    end((direction === 1 ? stepForward : stepBackward)(timeline, from, kind)).place

  it('over: a call with all that it calls, an instruction that exits with what KVM does; backward the same', () => {
    expect(stepped(visit('main'), 'over')).toEqual(placeOf(visit('after')))
    expect(stepped(visit('after'), 'over', -1)).toEqual(placeOf(done('main')))
    expect(stepped(visit('inside'), 'over')).toEqual(placeOf(visit('joined')))
    expect(stepped(visit('joined'), 'over', -1)).toEqual(placeOf(done('inside')))
    // `inner` calls itself twice; its first call comes back the last of the three.
    expect(stepped(visit('again', 0), 'over')).toEqual(placeOf(visit('deepest', 2)))
    expect(stepped(visit('again', 1), 'over')).toEqual(placeOf(visit('deepest', 1)))
    expect(stepped(visit('deepest', 2), 'over', -1)).toEqual(placeOf(done('again', 0)))
  })

  it('out: to behind the call; backward to the call', () => {
    expect(stepped(visit('inner', 0), 'out')).toEqual(placeOf(visit('joined')))
    expect(stepped(visit('inner', 1), 'out')).toEqual(placeOf(visit('deepest', 2)))
    expect(stepped(visit('outer'), 'out')).toEqual(placeOf(visit('after')))
    expect(stepped(visit('joined'), 'out')).toEqual(placeOf(visit('after')))
    expect(stepped(visit('inner', 2), 'out', -1)).toEqual(placeOf(done('again', 1)))
    expect(stepped(visit('deepest', 1), 'out', -1)).toEqual(placeOf(done('again', 0)))
    expect(stepped(visit('joined'), 'out', -1)).toEqual(placeOf(done('main')))
  })

  it('a watch of accesses stops behind each instruction that reads there, or reads or writes; backward before it', () => {
    const address = name.startsWith('with') ? 0x400000n : labels.get('counter')!
    const inner = [0, 1, 2].map(n => done('inner', n)) // `inc dword [counter]` reads and writes; nothing else touches it
    for (const access of ['read', 'any'] as const) {
      const stops = [{ kind: 'access', access, address: address + 1n, bytes: 1 }] as const // one byte of the four
      const arrivals: Place[] = []
      for (let from: Place = START; ; from = arrivals.at(-1)!) {
        const { place, reason } = end(continueForward(timeline, from, stops))
        if (reason.kind !== 'stop') break
        arrivals.push(place)
      }
      expect(arrivals, access).toEqual(inner.map(moment => placeOf(all[all.indexOf(moment) + 1]!)))
      expect(end(continueBackward(timeline, arrivals.at(-1)!, stops)).place, access).toEqual(placeOf(inner.at(-1)!))
    }
    const pushed = [{ kind: 'access', access: 'read', address, bytes: 4096 }] as const
    expect(end(continueBackward(timeline, visit('inner'), pushed)).reason.kind, 'nothing reads it before').toBe('begin')
  })

  it('line: to where another line of the source begins; backward to where it began', () => {
    const { image } = reader.header
    const lines = all.map(({ rip }) => lineAt(image, Number(rip))?.line)
    for (const label of ['main', 'inner', 'again', 'deepest', 'behind']) {
      const at = all.indexOf(visit(label))
      const next = lines.findIndex((line, i) => i > at && line !== undefined && line !== lines[at])
      expect(stepped(all[at]!, 'line'), label).toEqual(placeOf(all[next]!))
      const last = lines.findLastIndex((line, i) => i < at && line !== undefined && line !== lines[i - 1])
      expect(stepped(all[at]!, 'line', -1), label).toEqual(placeOf(all[last]!))
    }
  })

  it('expressions of the state stop where they become true, in both directions', () => {
    const [pointer, counter] = name.startsWith('with') ? ['esp', '[0x400000]:4'] : ['rsp', '[counter]:4']
    const bytes = name.startsWith('with') ? 4 : 8
    const held = momentsOf(reader, ['rbx', 'rsp', counter])
    const joined = labels.get('joined')!
    // The stack at `inner`'s first visit holds the way back to `joined`; nothing else of the program is pushed there.
    const depth = visit('inner', 0)
    const there = held[all.indexOf(depth)]!.held[0]!.rsp!
    const tests: readonly (readonly [string, (moment: Moment) => boolean])[] = [
      [`ebx == 2`, ({ held: [own] }) => BigInt.asUintN(32, own!.rbx!) === 2n],
      [`${counter} >= 2 and ${pointer} < ${there}`, ({ held: [own] }) => (own![counter] ?? 0n) >= 2n && own!.rsp! < there],
      [`rip == inner`, ({ rip }) => rip === labels.get('inner')],
      [
        `rip in inner..deepest or at(outer)`,
        ({ rip }) =>
          (rip >= labels.get('inner')! && rip <= labels.get('deepest')!) || (rip >= labels.get('outer')! && rip < labels.get('inside')!),
      ],
    ]
    for (const [text, holds] of tests) {
      const rises = held.flatMap((moment, i) => (i > 0 && holds(moment) && !holds(held[i - 1]!) ? [placeOf(moment)] : []))
      expect(rises.length, text).toBeGreaterThan(0)
      const { forward, back } = tour(reader, text)
      expect(forward, text).toEqual(rises)
      expect(back, text).toEqual(
        rises.filter(place => place.instructions < held.at(-1)!.instructions || place.events < held.at(-1)!.events),
      )
    }
    const first = tour(reader, `[${pointer}]:${bytes} == joined and rip == inner`)
    expect(first.forward).toEqual([placeOf(depth)])
    expect(joined).toBeDefined()
  })

  it('from one stop to the next and back again is the same place and the same state', () => {
    for (const text of ['inner', 'ebx == 2 or ebx == 3']) {
      const stops = [stopOf(timeline, text)]
      const arrivals: ReturnType<typeof stateAt>[] = []
      for (let from: Place = START; arrivals.length < 4; from = arrivals.at(-1)!.place) {
        const { place, reason } = end(continueForward(timeline, from, stops))
        if (reason.kind !== 'stop') break
        arrivals.push(stateAt(timeline, place))
      }
      if (arrivals.length < 2) continue
      const [before, last] = arrivals.slice(-2)
      const back = end(continueBackward(timeline, last!.place, stops))
      expect(stateAt(timeline, back.place), text).toEqual(before)
      expect(stateAt(timeline, end(continueForward(timeline, back.place, stops)).place), text).toEqual(last)
    }
  })
})

it('from event to event and back it is the same events: forward behind them, backward before', () => {
  const timeline = openTimeline(RUNS['as L2'].reader)
  const stops = [stopOf(timeline, 'exit(CPUID)')]
  const first = end(continueForward(timeline, START, stops))
  const second = end(continueForward(timeline, first.place, stops))
  expect(second.event).toBeGreaterThan(first.event!)
  const back = end(continueBackward(timeline, { ...second.place, event: second.event! }, stops))
  expect(back.event).toBe(first.event)
  expect(end(continueForward(timeline, back.place, stops))).toEqual(first)
})

describe('with several CPUs', () => {
  it('a breakpoint stops the CPU that comes there, and `cpu` in an expression says which', () => {
    const { reader } = RUNS['with two CPUs']
    const labels = labelsOf(reader)
    const all = momentsOf(reader)
    const hits = (label: string, cpu?: number): Place[] =>
      all.filter(moment => moment.rip === labels.get(label) && (cpu === undefined || moment.cpu === cpu)).map(placeOf)
    expect(hits('worker', 1)).toHaveLength(1)
    expect(tour(reader, 'worker').forward).toEqual(hits('worker'))
    expect(tour(reader, 'r15 == 0x77').forward).toEqual(tour(reader, 'cpu == 1 and r15 == 0x77').forward)
    expect(tour(reader, 'cpu == 0 and r15 == 0x77').forward).toEqual([])
  })

  it('levels are those of each CPU', () => {
    const view = openTimeline(RUNS['with two CPUs'].reader).atInstruction(30)
    expect(view.machine.cpus.map(({ index }) => levelOf(view.machine, index))).toEqual([1, 1])
  })
})
