/** A place that the guest has to run to for long: what stands in the trace is there at once, its state comes later. */

import { afterEach, expect, test } from 'vitest'
import type { Place } from '../../src/query/position.ts'
import { backgroundWork } from '../../src/tui/background.ts'
import { frameLines } from '../../src/tui/frame.ts'
import { lineText } from '../../src/tui/lines.ts'
import type { Model } from '../../src/tui/model.ts'
import { settled } from '../../src/tui/movement.ts'
import { openTraceSource, type TraceSource } from '../../src/tui/trace-source.ts'
import { initialModel, update } from '../../src/tui/update.ts'
import { recorded } from '../recorded.ts'
import { type Sitting, sitDown } from './streams.ts'

const { reader } = recorded('test/bench/million.asm', { defines: { ROUNDS: '400' } })
const open = (): TraceSource => openTraceSource(reader, 'far.vtrace')
const SIZE = { columns: 120, rows: 40 }
const far: Place = { kind: 'event', index: reader.count - 300 }
const WAITING = /the guest runs to here/

const screen = (model: Model): string => frameLines(model).map(lineText).join('\n')

/** With the background's work done. */
function whole(model: Model): Model {
  for (let work = backgroundWork(model); work !== undefined; work = backgroundWork(model)) work.advance(Number.POSITIVE_INFINITY)
  return settled(model)
}

/** The same place where its state was known before it was drawn. */
function knownBefore(place: Place): Model {
  const trace = open()
  trace.code(place)
  return whole(initialModel(trace, place, SIZE))
}

test('its events stand there without any run; with its state the screen is what it would have been', () => {
  const model = initialModel(open(), far, SIZE)
  const first = screen(model)
  expect(first).toMatch(new RegExp(`far.vtrace  #${far.index}/`))
  expect(first).toMatch(WAITING)
  expect(first).toMatch(/running the guest: i:0, Esc goes back/)
  expect(first).toMatch(new RegExp(`${far.index} L`))
  expect(model.trace.timeline.place.instructions).toBe(0)
  const last = screen(whole(model))
  expect(last).not.toMatch(WAITING)
  expect(last).toBe(screen(knownBefore(far)))
})

test('by instruction too: its row is where it was expected to be, and moves to where it is', () => {
  const { instructions } = open().moment(far)
  const place: Place = { kind: 'instruction', count: instructions }
  const model = initialModel(open(), place, SIZE)
  expect(screen(model)).toMatch(WAITING)
  expect(screen(whole(model))).toBe(screen(knownBefore(place)))
})

test('who moves on by events waits for nothing; Esc leads back', () => {
  const start = initialModel(open(), { kind: 'event', index: 0 }, SIZE)
  screen(start)
  const before = start.trace.timeline.place.instructions
  const there = update(update(start, 'end'), 'E')
  expect(there.place).toMatchObject({ kind: 'event' })
  expect(screen(there)).toMatch(WAITING)
  expect(there.trace.timeline.place.instructions).toBe(before)
  const back = update(update(there, 'escape'), 'escape')
  expect(back.place).toEqual({ kind: 'event', index: 0 })
  expect(screen(back)).not.toMatch(WAITING)
})

let sitting: Sitting | undefined
afterEach(() => sitting?.explorer.stop())

test('a step is done when the guest is there', async () => {
  sitting = await sitDown(open(), far, [SIZE.columns, SIZE.rows])
  await sitting.type('s')
  const { instructions } = open().moment(far)
  while (sitting.explorer.place() === `#${far.index}`) await new Promise(resolve => setTimeout(resolve, 5))
  expect(sitting.explorer.place()).toBe(`i:${instructions + 1}`)
})
