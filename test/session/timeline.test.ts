/** Any moment of a run, however it is reached. */

import { describe, expect, it } from 'vitest'
import { hashMachine } from '../../src/hw/snapshot.ts'
import { drive, startRun } from '../../src/session/guest-run.ts'
import { configOf } from '../../src/session/replay.ts'
import { openTimeline, type Timeline, type TimelineView } from '../../src/session/timeline.ts'
import { guestRegisters, guestTimer } from '../../src/session/timeline-guest.ts'
import { linearMemory } from '../../src/session/timeline-memory.ts'
import { TRACE_EVENTS } from '../../src/spec/trace-events.ts'
import { recorded } from '../recorded.ts'

const oneShot = recorded('examples/one-shot.asm', { defines: { TICKS: '6' }, keyframeEvents: 100, keyframeInstructions: 2000 })
const echo = recorded('examples/echo.asm', { input: Buffer.from('hello\n') })
const bare = recorded('examples/bare-vmx.asm', { bare: true, keyframeEvents: 40 })

const TRACES = [
  ['one-shot.asm under KVM', oneShot],
  ['echo.asm with console input', echo],
  ['bare-vmx.asm on the CPU itself', bare],
] as const

const stateOf = (view: TimelineView): string => `${view.eventIndex} ${view.instructions} ${view.tick} ${hashMachine(view.machine)}`

/** A few numbers below `limit`, both ends among them, in an order that jumps about. */
function scattered(limit: number, count = 5): number[] {
  const numbers = Array.from({ length: count }, (_, position) => Math.floor(((position * 7919) % 9973) * (limit / 9973)))
  return [0, limit - 1, ...numbers]
}

describe.each(TRACES)('%s', (_, { reader, events }) => {
  const total = reader.end!.instructions

  it('random access by event finds the same state as a walk from the start', () => {
    const wanted = scattered(events.length)
    const walk = openTimeline(reader)
    const straight = new Map([...wanted].sort((a, b) => a - b).map(index => [index, stateOf(walk.atEvent(index))]))
    const timeline = openTimeline(reader)
    for (const index of wanted) expect(stateOf(timeline.atEvent(index)), `#${index}`).toBe(straight.get(index))
    expect(timeline.divergedAt).toBe(-1)
  })

  it('random access by instruction finds the same state as a walk from the start', () => {
    const wanted = scattered(total + 1)
    const walk = openTimeline(reader)
    const straight = new Map([...wanted].sort((a, b) => a - b).map(count => [count, stateOf(walk.atInstruction(count))]))
    const timeline = openTimeline(reader)
    for (const count of wanted) expect(stateOf(timeline.atInstruction(count)), `i:${count}`).toBe(straight.get(count))
  })

  it('a step forward and one back come to the same state', () => {
    const timeline = openTimeline(reader)
    for (const count of scattered(total - 5, 4)) {
      const before = stateOf(timeline.atInstruction(count))
      for (let n = 1; n <= 5; n++) expect(timeline.atInstruction(count + n).instructions).toBe(count + n)
      for (let n = 4; n > 0; n--) timeline.atInstruction(count + n)
      expect(stateOf(timeline.atInstruction(count)), `i:${count}`).toBe(before)
    }
  })

  it('jumps by event and by instruction do not disturb each other', () => {
    const timeline = openTimeline(reader)
    const fresh = (look: (timeline: Timeline) => TimelineView) => stateOf(look(openTimeline(reader)))
    for (const index of scattered(events.length, 3)) {
      const count = Math.min(total, timeline.instructionOfEvent(index) + 3)
      expect(stateOf(timeline.atInstruction(count))).toBe(fresh(t => t.atInstruction(count)))
      expect(stateOf(timeline.atEvent(index))).toBe(fresh(t => t.atEvent(index)))
    }
  })

  it('its moments count the events that were emitted by then', () => {
    const timeline = openTimeline(reader)
    const booted = reader.keyframeIndex[0]!.index
    for (const index of scattered(events.length)) {
      const { eventIndex, tick } = timeline.atEvent(index)
      if (TRACE_EVENTS[events[index]!.kind].by === 'kvm' && index >= booted) expect(eventIndex).toBe(index + 1)
      expect(eventIndex).toBeGreaterThan(index)
      expect(tick).toBeGreaterThanOrEqual(events[index]!.tick)
    }
  })

  it('the last moment is the end of the run', () => {
    const timeline = openTimeline(reader)
    const view = timeline.atEvent(events.length - 1)
    expect(view.eventIndex).toBe(events.length)
    expect(view.instructions).toBe(total)
    expect(hashMachine(view.machine)).toBe(reader.end!.hash)
    expect(stateOf(timeline.atInstruction(total + 100))).toBe(stateOf(openTimeline(reader).atEvent(events.length - 1)))
  })
})

describe('what a moment shows', () => {
  it('a run driven by hand from the boot is in the same state after as many instructions', () => {
    const { reader } = oneShot
    for (const count of [1, 500, 1234]) {
      const guest = startRun(configOf(reader), reader.header.image)
      drive(guest, count, () => guest.machine.cpus[0]!.instructions >= count)
      expect(hashMachine(openTimeline(reader).atInstruction(count).machine)).toBe(hashMachine(guest.machine))
    }
  })

  it('at a VM exit, RIP is that of the instruction that left the guest', () => {
    const timeline = openTimeline(oneShot.reader)
    for (const [index, event] of oneShot.events.entries()) {
      if (event.kind !== 'kvm_exit' || index % 5 !== 0) continue
      const registers = guestRegisters(timeline.atEvent(index))
      expect(registers.rip).toBe(event.rip)
      expect(registers.level).toBe(0)
    }
  })

  it('at a VM entry, RIP is where the guest goes on', () => {
    const timeline = openTimeline(oneShot.reader)
    const index = oneShot.events.findIndex((event, position) => event.kind === 'kvm_entry' && position > 100)
    const event = oneShot.events[index]!
    expect(event.kind === 'kvm_entry' && event.rip).toBe(guestRegisters(timeline.atEvent(index)).rip)
  })

  it('memory is read through the page tables of the guest and the slots of the VM', () => {
    const view = openTimeline(oneShot.reader).atInstruction(0)
    const { image } = oneShot.reader.header
    const registers = guestRegisters(view)
    expect(registers.rip).toBe(BigInt(image.entry))
    for (const offset of [0, 1, 100]) expect(linearMemory(view, registers, BigInt(image.origin + offset))).toBe(image.bytes[offset])
    expect(linearMemory(view, registers, 1n << 40n)).toBeUndefined()
  })

  it('the timer of a run says what carries the deadline', () => {
    const busy = recorded('examples/deadline-busy.asm', { defines: { TICKS: '3' } })
    const index = busy.events.findIndex(event => event.kind === 'apic_timer_arm' && event.deadline !== 0n)
    const event = busy.events[index]!
    const { carrier, deadline, tsc } = guestTimer(openTimeline(busy.reader).atEvent(index))
    expect(carrier).toBe('guest timer')
    expect(event.kind === 'apic_timer_arm' && event.virtual_deadline).toBe(deadline)
    expect(tsc).toBeGreaterThan(0n)
  })

  it('a read of a view after the timeline moved on is refused', () => {
    const timeline = openTimeline(oneShot.reader)
    const view = timeline.atInstruction(10)
    timeline.atInstruction(20)
    expect(() => guestRegisters(view)).toThrow('before the timeline moves on')
  })
})
