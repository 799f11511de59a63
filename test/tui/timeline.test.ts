/** The timeline: what its lanes and marks say of a stretch of time, and that zooming and panning keep to it. */

import { describe, expect, it } from 'vitest'
import type { EventKind } from '../../src/spec/trace-events.ts'
import { lineText } from '../../src/tui/lines.ts'
import type { Model } from '../../src/tui/model.ts'
import { timelineLines } from '../../src/tui/panes/timeline.ts'
import { scopeOf } from '../../src/tui/panes/timeline-scope.ts'
import { openTraceSource } from '../../src/tui/trace-source.ts'
import { initialModel, update } from '../../src/tui/update.ts'
import { recorded } from '../recorded.ts'

const { reader, events } = recorded('examples/one-shot.asm', { defines: { TICKS: '3' } })
const trace = openTraceSource(reader, 'one-shot.vtrace')
const COLUMNS = 96

const begin = (index: number): Model => ({
  ...initialModel(trace, { kind: 'event', index }, { columns: 100, rows: 40 }),
  focus: 'timeline',
})
const press = (model: Model, keys: readonly string[]): Model => keys.reduce((at, key) => update(at, key), model)

/** In the order in which one hides another. */
const SIGNS: readonly (readonly [string, readonly EventKind[]])[] = [
  ['i', ['kvm_inj_virq', 'interrupt']],
  ['f', ['apic_timer_fire', 'hrtimer_expire_entry']],
  ['a', ['apic_timer_arm', 'hrtimer_start']],
  ['e', ['kvm_exit', 'vmx_exit']],
]

/** From the events alone: the most telling one of each column. */
function signsOf(from: number, to: number): string {
  const columnOf = (tick: number): number => Math.min(COLUMNS - 1, Math.floor(((tick - from) / (to - from)) * COLUMNS))
  return Array.from({ length: COLUMNS }, (_, column) => {
    const there = events.filter(({ tick }) => tick >= from && tick <= to && columnOf(tick) === column)
    return SIGNS.find(([, kinds]) => there.some(({ kind }) => kinds.includes(kind)))?.[0] ?? ' '
  }).join('')
}

describe.each([
  ['the whole run', []],
  ['closer', ['+', '+', '+', '+']],
  ['closer and later', ['+', '+', '+', 'l', 'l']],
  ['closer and earlier', ['+', '+', 'h']],
  ['closer than a tick', Array(40).fill('+')],
] as const)('%s', (_, keys) => {
  const model = press(begin(400), keys)
  const { from, to } = scopeOf(model, COLUMNS)
  const lines = timelineLines(model, COLUMNS + 4, 6).map(line => lineText(line).slice(4))

  it('marks what happened in each column', () => {
    expect(lines[3]).toBe(signsOf(from, to))
  })

  it('gives each moment to one level', () => {
    const end = Math.max(...events.map(({ tick }) => tick))
    for (let column = 0; column < COLUMNS; column++) {
      const shades = lines.slice(0, 3).map(lane => '·░▒▓█'.indexOf(lane[column]!))
      const start = from + (column / COLUMNS) * (to - from)
      if (start < end) expect(Math.max(...shades), String(column)).toBeGreaterThan(1) // three quarters or a half of it at least
      expect(shades.filter(shade => shade === 4).length).toBeLessThanOrEqual(1)
    }
  })

  it('stays within the run', () => {
    expect(from).toBeGreaterThanOrEqual(0)
    expect(to).toBeLessThanOrEqual(Math.max(1, events.at(-1)!.tick))
  })
})

it('zooming out again shows what was shown', () => {
  const close = press(begin(400), ['+', '+', '+'])
  expect(scopeOf(press(close, ['+', '-']), COLUMNS)).toEqual(scopeOf(close, COLUMNS))
  expect(scopeOf(press(close, ['l', 'h']), COLUMNS)).toEqual(scopeOf(close, COLUMNS))
})
