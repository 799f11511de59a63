/** Every key on every screen at every size; and every pair of keys there and back. Both go over the keymap, so that none is left out. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { formatPosition } from '../../src/query/position.ts'
import { backgroundWork } from '../../src/tui/background.ts'
import type { Cli } from '../../src/tui/cli.ts'
import { frameLines } from '../../src/tui/frame.ts'
import { arrived } from '../../src/tui/journeys.ts'
import { ALL_KEYS, BINDINGS, commandOf } from '../../src/tui/keymap.ts'
import { lineText, widthOf } from '../../src/tui/lines.ts'
import { type Model, SCREENS, type ScreenName, screenOf } from '../../src/tui/model.ts'
import { settled } from '../../src/tui/movement.ts'
import { openTraceSource } from '../../src/tui/trace-source.ts'
import { initialModel, resized, update } from '../../src/tui/update.ts'
import { whyWork } from '../../src/tui/why.ts'
import { recorded } from '../recorded.ts'
import { isFull } from '../slice.ts'

const record = (vapic: boolean) => recorded('examples/one-shot.asm', { defines: { TICKS: '3' }, parameters: { apic_timer_virt: vapic } })
const { reader, events } = record(true)
const trace = openTraceSource(reader, 'one-shot.vtrace')
const folder = mkdtempSync(join(tmpdir(), 'vtick-keys-'))
const other = join(folder, 'off.vtrace')
writeFileSync(other, record(false).bytes)
afterAll(() => rmSync(folder, { recursive: true }))

const cli: Cli = {
  commands: [{ name: 'info', help: 'what it holds', options: ['--json'], takesTrace: true }],
  start: () => ({ lines: ['#7 a line', 'another', 'x'.repeat(400)], status: 0, onNews: null, stop: () => {} }),
  save: () => undefined,
}

const SIZES = [
  { columns: 60, rows: 15 },
  { columns: 80, rows: 24 },
  { columns: 120, rows: 40 },
  { columns: 300, rows: 100 },
] as const

/** With all that was asked for found out. */
function finished(model: Model): Model {
  const isAsking = ({ overlay }: Model): boolean => overlay?.question !== undefined && !whyWork(trace, overlay.question).isWhole
  let next = arrived(settled(model))
  while (next.journey !== null || next.seeking !== null || isAsking(next)) {
    backgroundWork(next)!.advance(Number.POSITIVE_INFINITY)
    next = arrived(settled(next))
  }
  return next
}

const press = (model: Model, keys: readonly string[]): Model => keys.reduce((at, key) => finished(update(at, key)), model)
const typed = (text: string): readonly string[] => [...[...text].map(key => (key === ' ' ? 'space' : key)), 'return']
const begin = (index: number, size = { columns: 110, rows: 30 }): Model => ({ ...initialModel(trace, { kind: 'event', index }, size), cli })

/** How one comes to each screen. */
const OPENINGS: Readonly<Record<ScreenName, readonly string[]>> = {
  main: [],
  breakpoints: ['b', 'B'],
  marks: ['m', 'a', 'M'],
  statistics: ['#'],
  diff: typed(`:diff ${other}`),
  why: typed(':why rip'),
  output: typed(':info'),
}

function expectWhole(model: Model, why: string): void {
  const lines = frameLines(model)
  expect(
    lines.map(line => widthOf(lineText(line))),
    why,
  ).toEqual(Array(model.size.rows).fill(model.size.columns))
  if (!model.leaving && model.prompt === null) expect(lineText(lines.at(-1)!), why).toMatch(/ (?:quit|close) |and a letter/)
}

describe.each(SIZES)('at $columns x $rows', size => {
  it.each(SCREENS)('every key on the screen %s, and every key behind it, leaves a whole screen', screen => {
    const opened = press(begin(300, size), OPENINGS[screen])
    expect(screenOf(opened)).toBe(screen)
    expectWhole(opened, screen)
    for (const key of ALL_KEYS) {
      const model = press(opened, [key])
      expectWhole(model, `${screen}: ${key}`)
      // A key that is not bound here does nothing; one that is does something or says why not.
      if (commandOf(key, screen) === undefined) expect(model).toEqual({ ...opened, notice: '' })
      expectWhole(resized(model, SIZES[0]), `${screen}: ${key}, made small`)
      if (!model.leaving) expectWhole(press(model, ['j', 'return', 'escape']), `${screen}: ${key}, and on`)
    }
  })
})

/** Of each key that has a twin: what is to be done first; null where the pair is not there and back, and why. */
const PAIRS: Readonly<Record<string, readonly string[] | null>> = {
  step: [],
  'step-over': null, // back over a call that was stepped into leads to before the call
  continue: typed(':break exit(MSR_WRITE)'),
  'next-exit': [],
  'next-entry': [],
  'next-timer': [],
  'next-interrupt': [],
  'next-vmcs-write': [],
  'next-visit': [],
  'next-change': null, // forward to behind the write, back to before it, as gdb's watchpoints
  'row-down': [],
  'page-down': [],
  last: null, // two ends
  'next-hit': typed('/irq or exit(MSR_WRITE)'),
  'jump-back': [...typed('g10'), ...typed('g20'), ...typed('g30'), ...typed('g40')],
  'next-pane': [],
  'next-cpu': [],
  wider: ['tab', 'tab', '+', '+', '+', '+', '+'],
  right: ['tab', 'tab', '+', '+', '+', '+'],
}

/** What a person would call the same: scrolling aside. */
const seen = ({ place, focus, overlay, vcpu, stateView, span, pan }: Model): unknown => [
  formatPosition(place),
  focus,
  overlay,
  vcpu,
  stateView,
  span,
  pan,
]

const isAtEnd = ({ place }: Model): boolean => place.kind === 'event' && place.index === events.length - 1

describe('forward, then back', () => {
  const forward = BINDINGS.filter(
    ({ command, twin }, at) => twin !== undefined && BINDINGS.findIndex(row => row.command === twin) > at && command !== twin,
  )

  it('every pair of the keymap is tried', () => {
    expect(forward.map(({ command }) => command)).toEqual(Object.keys(PAIRS))
  })

  it.each(forward.filter(({ command }) => PAIRS[command] !== null))(
    '$command and $twin lead over the same places',
    ({ command, keys, twin }) => {
      const back = BINDINGS.find(row => row.command === twin)!.keys[0]!
      let moves = 0
      fc.assert(
        fc.property(fc.integer({ min: 0, max: events.length - 1 }), fc.integer({ min: 1, max: 4 }), (index, times) => {
          const path = [press(begin(index), [...PAIRS[command]!, keys[0]!])]
          for (let n = 0; n < times; n++) {
            const next = press(path.at(-1)!, [keys[0]!])
            if (JSON.stringify(seen(next)) === JSON.stringify(seen(path.at(-1)!))) break
            if (command === 'page-down' && isAtEnd(next)) break // the end cuts that page short, and a whole one leads back
            path.push(next)
          }
          moves += path.length - 1
          let model = path.at(-1)!
          for (const earlier of path.slice(0, -1).reverse()) {
            model = press(model, [back])
            expect(seen(model)).toEqual(seen(earlier))
          }
        }),
        { numRuns: isFull ? 30 : 8, seed: 2 },
      )
      // This guest has one CPU and no hypervisor of its own.
      if (command !== 'next-cpu' && command !== 'next-vmcs-write') expect(moves).toBeGreaterThan(2)
    },
  )

  it.each(['zoom', 'fold', 'fold-all', 'breakpoint'])('%s twice is as before', command => {
    const key = BINDINGS.find(row => row.command === command)!.keys[0]!
    const at = events.findIndex((event, index) => event.kind === 'kvm_exit' && index > 100)
    const model = begin(at)
    const once = press(model, [key])
    expect([once.zoomed, once.folded.size, once.breakpoints.length]).not.toEqual([
      model.zoomed,
      model.folded.size,
      model.breakpoints.length,
    ])
    const { zoomed, folded, breakpoints, place } = press(once, [key])
    expect({ zoomed, folded, breakpoints, place }).toEqual({ zoomed: false, folded: new Set(), breakpoints: [], place: model.place })
  })
})
