/** The explorer without a screen, and the positions it understands. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatPosition, parsePosition, resolvePosition } from '../../src/query/position.ts'
import { cut, fit, span, widthOf } from '../../src/tui/lines.ts'
import { plainText } from '../../src/tui/plain.ts'
import { openTraceSource } from '../../src/tui/trace-source.ts'
import { recorded } from '../recorded.ts'

const { reader, events } = recorded('examples/one-shot.asm', { defines: { TICKS: '3' } })
const trace = openTraceSource(reader, 'one-shot.vtrace')

describe('plain text', () => {
  const index = events.findIndex(event => event.kind === 'kvm_exit')

  it('has the place, the events around it, the code with its source, and the registers', () => {
    const text = plainText(trace, { kind: 'event', index })
    expect(text).toContain(`#${index}/${events.length}`)
    expect(text).toMatch(new RegExp(`^>\\s*${index} L1 ┌ exit`, 'm'))
    expect(text).toContain('code, examples/one-shot.asm')
    expect(text).toMatch(/^> {3}\w+ .* \w+/m)
    expect(text).toMatch(/rax [0-9a-f]{16}/)
    expect(text).not.toContain('\x1b')
  })

  it.each([0, 1, events.length - 1])('is whole at event #%i', at => {
    const text = plainText(trace, { kind: 'event', index: at })
    expect(text.split('\n').length).toBeGreaterThan(40)
    expect(text).toMatch(new RegExp(`^>\\s*${at} `, 'm'))
  })

  it('shows a place between two events in a row of its own', () => {
    expect(plainText(trace, { kind: 'instruction', count: 100 })).toMatch(/^> +i:100 {2}\w+/m)
  })
})

describe('positions', () => {
  it.each([
    ['#0', { kind: 'event', index: 0 }],
    ['i:42', { kind: 'instruction', count: 42 }],
    ['50%', { kind: 'event', index: 50 }],
    ['0%', { kind: 'event', index: 0 }],
    ['100%', { kind: 'event', index: 100 }],
    ['@end', { kind: 'event', index: 100 }],
    ['12', { kind: 'event', index: 12 }],
  ] as const)('%s is a place in a trace of 101 events', (text, place) => {
    expect(resolvePosition(parsePosition(text)!, 101)).toEqual(place)
  })

  it.each(['', '#', '#-1', 'i:', '101%', '50 %', '@start', '#1x', '#99999999999999999'])('%j is none', text => {
    expect(parsePosition(text)).toBeUndefined()
  })

  it('a line of a source, with its visit', () => {
    expect(parsePosition('sub/timer.asm:12')).toEqual({ kind: 'line', file: 'sub/timer.asm', line: 12, count: 1 })
    expect(parsePosition('timer.asm:12#3')).toEqual({ kind: 'line', file: 'timer.asm', line: 12, count: 3 })
    for (const text of ['timer:12', 'timer.asm:0', 'timer.asm:', 'timer.asm:1#0', 'a b.asm:1'])
      expect(parsePosition(text), text).toBeUndefined()
  })

  it('an event that the trace does not have is refused', () => {
    expect(resolvePosition({ kind: 'event', index: 7 }, 7)).toBeUndefined()
  })

  it('a place that is printed reads back as itself', () => {
    for (const place of [{ kind: 'event', index: 12 } as const, { kind: 'instruction', count: 9 } as const])
      expect(parsePosition(formatPosition(place))).toEqual(place)
  })
})

describe('lines', () => {
  it('fit their width exactly, whatever stands in them', () => {
    const text = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 40 }), fc.constantFrom('日本語', '┌│└', 'é́'))
    fc.assert(
      fc.property(fc.array(text, { maxLength: 4 }), fc.integer({ min: 1, max: 60 }), (texts, width) => {
        const spans = texts.map(part => span(part.replace(/\p{C}/gu, '.')))
        expect(fit(spans, width).reduce((sum, part) => sum + widthOf(part.text), 0)).toBe(width)
      }),
      { seed: 2, numRuns: 200 },
    )
  })

  it('what is cut says so', () => {
    expect(cut('abcdef', 4)).toBe('abc~')
    expect(cut('abcd', 4)).toBe('abcd')
  })
})
