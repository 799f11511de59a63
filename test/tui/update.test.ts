/** The pure model: any keys in any order. */

import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatPosition } from '../../src/query/position.ts'
import { backgroundWork } from '../../src/tui/background.ts'
import { frameLines } from '../../src/tui/frame.ts'
import { arrived } from '../../src/tui/journeys.ts'
import { ALL_KEYS, BINDINGS, commandOf } from '../../src/tui/keymap.ts'
import { eventPaneRows, regions } from '../../src/tui/layout.ts'
import { lineText, widthOf } from '../../src/tui/lines.ts'
import type { Model } from '../../src/tui/model.ts'
import { settled } from '../../src/tui/movement.ts'
import { paletteRows } from '../../src/tui/palette.ts'
import { cursorRow, rowCount } from '../../src/tui/rows.ts'
import { openTraceSource } from '../../src/tui/trace-source.ts'
import { initialModel, resized, update } from '../../src/tui/update.ts'
import { whyWork } from '../../src/tui/why.ts'
import { recorded } from '../recorded.ts'

const { reader, events } = recorded('examples/one-shot.asm', { defines: { TICKS: '3' } })
const trace = openTraceSource(reader, 'one-shot.vtrace')
const sizes = fc.constantFrom({ columns: 60, rows: 15 }, { columns: 80, rows: 24 }, { columns: 200, rows: 50 })
const TYPED = ['backspace', 'ctrl-w', 'a', 'x', '', 'é', '(', 'mouse:0:20:5:M', 'mouse:64:70:8:M', 'mouse:0:3:24:M']
const keys = fc.array(fc.constantFrom(...ALL_KEYS.filter(key => key !== 'q' && key !== 'ctrl-c'), ...TYPED), { maxLength: 30 })
const starts = fc.integer({ min: 0, max: events.length - 1 })

const begin = (index: number, size = { columns: 110, rows: 30 }): Model => initialModel(trace, { kind: 'event', index }, size)
const isAsking = ({ overlay }: Model): boolean => overlay?.question !== undefined && !whyWork(trace, overlay.question).isWhole

/** With all that was asked for found out. */
function finished(model: Model): Model {
  let next = arrived(settled(model))
  while (next.journey !== null || next.seeking !== null || isAsking(next)) {
    backgroundWork(next)!.advance(Number.POSITIVE_INFINITY)
    next = arrived(settled(next))
  }
  return next
}

const after = (model: Model, pressed: readonly string[]): Model => pressed.reduce((at, key) => finished(update(at, key)), model)

describe('any sequence of keys', () => {
  it('leaves a place that exists, with its row in sight', () => {
    fc.assert(
      fc.property(starts, sizes, keys, (index, size, pressed) => {
        const model = after(begin(index, size), pressed)
        const { instructions, eventIndex } = trace.moment(model.place)
        expect(instructions).toBeLessThanOrEqual(trace.instructions)
        expect(eventIndex).toBeLessThanOrEqual(events.length)
        expect(model.eventsTop).toBeGreaterThanOrEqual(0)
        expect(cursorRow(model)).toBeGreaterThanOrEqual(model.eventsTop)
        expect(cursorRow(model)).toBeLessThan(model.eventsTop + eventPaneRows(model))
        expect(cursorRow(model)).toBeLessThan(rowCount(model))
        expect(regions(model).map(({ pane }) => pane)).toContain(model.focus)
        expect(frameLines(model).map(line => widthOf(lineText(line)))).toEqual(Array(size.rows).fill(size.columns))
      }),
      { numRuns: 60, seed: 2 },
    )
  })

  it('comes to the same model when it is pressed again from the same start', () => {
    fc.assert(
      fc.property(starts, keys, (index, pressed) => {
        expect(after(begin(index), pressed)).toEqual(after(begin(index), pressed))
      }),
      { numRuns: 15, seed: 2 },
    )
  })

  it('survives any resize on the way', () => {
    fc.assert(
      fc.property(starts, keys, fc.integer({ min: 1, max: 250 }), fc.integer({ min: 1, max: 60 }), (index, pressed, columns, rows) => {
        const model = after(resized(begin(index), { columns, rows }), pressed)
        expect(cursorRow(model)).toBeLessThan(Math.max(model.eventsTop + eventPaneRows(model), 1))
      }),
      { numRuns: 40, seed: 2 },
    )
  })
})

describe('forward, then back', () => {
  it('an instruction back from an event inside KVM is where the guest left', () => {
    const index = events.findIndex((event, position) => event.kind === 'kvm_entry' && position > 100)
    const model = update(begin(index), 'S')
    expect(model.place).toEqual({ kind: 'instruction', count: trace.moment({ kind: 'event', index }).instructions })
  })

  it('a breakpoint is come to, forward and back, and the next visit is the same instruction', () => {
    const start = after(begin(280), ['b', 'c'])
    const { rip } = trace.moment(begin(280).place).registers
    expect(trace.moment(start.place).registers.rip).toBe(rip)
    expect(start.notice).toMatch(/^breakpoint: 0x/)
    const visited = after(start, ['[', ']'])
    expect(formatPosition(visited.place)).toBe(formatPosition(start.place))
    expect(after(begin(280), ['c']).notice).toContain('no breakpoints')
  })

  it('over a call and back again is where one was', () => {
    const call = after(
      begin(0),
      [...':break exit(MSR_WRITE)'.replaceAll(' ', '\u0000')].map(key => (key === '\u0000' ? 'space' : key)),
    )
    const there = after(call, ['return', 'c', 's', 's'])
    const over = after(there, ['o'])
    expect(formatPosition(over.place)).not.toBe(formatPosition(there.place))
    expect(trace.moment(after(over, ['O']).place).registers.rip).toBe(trace.moment(there.place).registers.rip)
  })

  it('the ends of the run say so', () => {
    expect(update(begin(events.length - 1), 's').notice).toBe('the run ends here')
    const first = update(update(begin(0), 'S'), 'S')
    expect(first.notice).toBe('the run begins here')
    expect(update(begin(events.length - 1), 'e').notice).toBe('no VM exit after this')
    expect(update(first, 'T').notice).toBe('no timer event before this')
    expect(update(update(first, 'T'), 'tab').notice).toBe('')
  })
})

describe('the keymap', () => {
  it('no key has two meanings, and each forward key has its backward twin', () => {
    expect(new Set(ALL_KEYS).size).toBe(ALL_KEYS.length)
    expect(BINDINGS.flatMap(({ keys: bound }) => bound)).toHaveLength(ALL_KEYS.length)
    for (const { command, twin } of BINDINGS) {
      if (twin === undefined) continue
      expect(BINDINGS.find(binding => binding.command === twin)?.twin).toBe(command)
    }
  })

  it('SHIFT reverses time: a letter pair is one letter', () => {
    for (const { keys: bound, twin } of BINDINGS) {
      const letter = bound[0]!
      if (twin === undefined || !/^[a-z]$/i.test(letter) || letter === 'j' || letter === 'k' || letter === 'h' || letter === 'l') continue
      const other = BINDINGS.find(binding => binding.command === twin)!.keys[0]!
      expect(other.toLowerCase()).toBe(letter.toLowerCase())
    }
  })

  it('every binding has a line in the palette, which runs it, and a text for the footer', () => {
    for (const binding of BINDINGS) {
      expect(binding.help.length, binding.command).toBeGreaterThan(5)
      expect(binding.footer, binding.command).not.toBe('')
      expect(commandOf(binding.keys[0]!, binding.screens?.[0] ?? 'main')).toBe(binding.command)
    }
    const listed = paletteRows(update(begin(3), '?')).flatMap(({ command }) => command ?? [])
    const expected = BINDINGS.filter(({ command, screens = ['main'] }) => command !== 'palette' && screens.includes('main'))
    expect(listed).toEqual(expected.map(({ command }) => command))
  })

  it('no key is one that tmux, screen or the terminal keeps for itself', () => {
    for (const taken of ['ctrl-b', 'ctrl-a', 'ctrl-s', 'ctrl-q', 'ctrl-z']) expect(ALL_KEYS).not.toContain(taken)
  })
})

describe('a position that is typed', () => {
  const typed = (text: string): Model => after(begin(0), ['g', ...text, 'return'])
  const program = reader.header.image.symbols
  const label = program.find(({ name }) => name === 'on_timer')!

  it.each([
    ['on_timer', 1],
    ['on_timer#1', 1],
    ['on_timer#3', 3],
  ])('%s is the moment before the label runs for the %s. time', (text, visit) => {
    const model = typed(text)
    const { instructions, registers } = trace.moment(model.place)
    expect(registers.rip).toBe(label.value)
    const previous = visit === 1 ? 0 : trace.moment(typed(`on_timer#${visit - 1}`).place).instructions
    expect(instructions).toBeGreaterThan(previous)
  })

  it('a line of the source is the moment before it runs, for the so many-th time', () => {
    const source = readFileSync(new URL('../../examples/one-shot.asm', import.meta.url), 'utf8').split('\n')
    const line = source.findIndex(text => text.startsWith('on_timer:')) + 1
    const at = source[line - 1]!.trim() === 'on_timer:' ? line + 1 : line
    expect(formatPosition(typed(`one-shot.asm:${at}`).place)).toBe(formatPosition(typed('on_timer').place))
    expect(formatPosition(typed(`examples/one-shot.asm:${at}#3`).place)).toBe(formatPosition(typed('on_timer#3').place))
    expect(typed('one-shot.asm:99999').prompt?.trouble ?? typed('one-shot.asm:99999').notice).toContain('no code at one-shot.asm:99999')
    expect(typed('one-shit.asm:1').notice).toContain('did you mean `one-shot.asm:1`?')
  })

  it('says what a run of the guest did not find', () => {
    expect(typed('on_timer#99').notice).toBe('`on_timer` runs 3 times; its last visit is on_timer#3')
    expect(typed('@fail').notice).toContain('nothing failed')
  })

  it('goes back to where it was asked', () => {
    expect(formatPosition(after(typed('on_timer#2'), ['<']).place)).toBe('#0')
  })
})
