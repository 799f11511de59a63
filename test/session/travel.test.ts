/** Journeys through a recorded run, compared with a list of all its moments. */

import { describe, expect, it } from 'vitest'
import { type Location, parseLocation } from '../../src/query/location.ts'
import { stepBackward, stepForward } from '../../src/session/steps.ts'
import { openTimeline, type Place, type Timeline } from '../../src/session/timeline.ts'
import { guestRegisters, levelOf } from '../../src/session/timeline-guest.ts'
import { continueBackward, continueForward, type Journey, START, type Stop, travel } from '../../src/session/travel.ts'
import { recorded } from '../recorded.ts'

const oneShot = recorded('examples/one-shot.asm', { defines: { TICKS: '2' } })
const nested = recorded('examples/deadline-hlt.asm', { defines: { TICKS: '1' }, level: 'L2' })
const twoCpus = recorded('examples/bare-vmx.asm', { bare: true })

interface Seen extends Place {
  readonly rip: bigint
  readonly rax: bigint
  readonly level: number
}

/** Every moment of a run, one after the other: what journeys are compared with. */
function moments(timeline: Timeline): Seen[] {
  const seen: Seen[] = []
  for (let view = timeline.atMoment(START) as ReturnType<Timeline['nextMoment']>; view !== undefined; view = timeline.nextMoment()) {
    const { rip, gpr } = guestRegisters(view)
    seen.push({ instructions: view.instructions, events: view.eventIndex, rip, rax: gpr[0]!, level: levelOf(view.machine, view.cpu) })
  }
  return seen
}

const TRACES = [
  ['one-shot.asm under KVM', oneShot.reader],
  ['deadline-hlt.asm as L2', nested.reader],
  ['bare-vmx.asm on the CPU', twoCpus.reader],
] as const

const place = ({ instructions, events }: Place): Place => ({ instructions, events })
const end = (journey: Journey) => travel(journey)!

describe.each(TRACES)('%s', (_, reader) => {
  const timeline = openTimeline(reader)
  const all = moments(openTimeline(reader))
  const some = [1, 7, Math.floor(all.length / 3), Math.floor(all.length / 2), all.length - 2]

  it('a step by instruction leads to the neighbour in either direction', () => {
    for (const at of some) {
      expect(end(stepForward(timeline, all[at]!, 'instruction')).place, `${at} on`).toEqual(place(all[at + 1]!))
      expect(end(stepBackward(timeline, all[at]!, 'instruction')).place, `${at} back`).toEqual(place(all[at - 1]!))
    }
    expect(end(stepBackward(timeline, all[0]!, 'instruction')).reason.kind).toBe('begin')
    expect(end(stepForward(timeline, all.at(-1)!, 'instruction')).reason.kind).toBe('end')
  })

  it('a step by level leads to the next moment of another level, and back to the last one', () => {
    for (const at of some) {
      const { level } = all[at]!
      const next = all.findIndex((each, i) => i > at && each.level !== level)
      const last = all.findLastIndex((each, i) => i < at && each.level !== level)
      expect(end(stepForward(timeline, all[at]!, 'level')).place).toEqual(place(all[next < 0 ? all.length - 1 : next]!))
      expect(end(stepBackward(timeline, all[at]!, 'level')).place).toEqual(place(all[Math.max(last, 0)]!))
    }
  })

  it('a breakpoint stops at every moment of its address, in both directions', () => {
    for (const at of some) {
      const stops: Stop[] = [{ kind: 'address', address: all[at]!.rip }]
      const hits = all.filter(({ rip }) => rip === all[at]!.rip)
      const first = end(continueForward(timeline, all[0]!, stops))
      expect(first.place).toEqual(place(hits[hits[0] === all[0] ? 1 : 0] ?? all.at(-1)!))
      const last = end(continueBackward(timeline, all.at(-1)!, stops))
      expect(last.place).toEqual(place(hits.at(-1)!))
    }
  })

  it('a watch of a register stops behind each change, and backward before it', () => {
    const stops: Stop[] = [{ kind: 'change', of: { kind: 'location', location: parseLocation('rax', new Map()) as Location } }]
    const changes = all.flatMap((each, i) => (i > 0 && all[i - 1]!.rax !== each.rax ? [i] : []))
    expect(changes.length).toBeGreaterThan(3)
    let at: Place = all[0]!
    for (const change of changes.slice(0, 20)) {
      at = end(continueForward(timeline, at, stops)).place
      expect(at).toEqual(place(all[change]!))
    }
    at = all.at(-1)!
    for (const change of changes.slice(-20).reverse()) {
      at = end(continueBackward(timeline, at, stops)).place
      expect(at).toEqual(place(all[change - 1]!))
    }
  })
})
