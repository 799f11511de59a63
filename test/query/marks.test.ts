/** The text of a trace's marks and notes: what people wrote stays, whatever is changed. */

import fc from 'fast-check'
import { expect, it } from 'vitest'
import { changedMarks, type MarkChange, parseMarks } from '../../src/query/marks.ts'
import { formatPosition, type Place } from '../../src/query/position.ts'

const EVENTS = 100

const FILE = `# from the meeting on Monday

a #18  the deadline is written
  b   50%
- i:4711   EAX is wrong   from here on
`

it('a mark, a mark without a note, a note alone', () => {
  const { marks, notes, trouble } = parseMarks(FILE, EVENTS)
  expect([...marks]).toEqual([
    ['a', { kind: 'event', index: 18 }],
    ['b', { kind: 'event', index: 50 }],
  ])
  expect([...notes]).toEqual([
    ['#18', 'the deadline is written'],
    ['i:4711', 'EAX is wrong   from here on'],
  ])
  expect(trouble).toBe('')
})

it.each([
  ['nonsense', 'line 2: write a letter or -, a position, and a note'],
  ['a #18x', 'line 2: `#18x` is no position'],
  ['a #100', 'line 2: the trace has no event #100'],
  ['a tsc:0x500', 'line 2: only #EVENT, i:INSTRUCTION, PERCENT% and @end may stand here'],
])('%j is told and left alone', (line, trouble) => {
  const text = `b #1\n${line}\nc #2\n`
  expect(parseMarks(text, EVENTS)).toMatchObject({
    trouble,
    marks: new Map([
      ['b', { kind: 'event', index: 1 }],
      ['c', { kind: 'event', index: 2 }],
    ]),
  })
  expect(changedMarks(text, { kind: 'mark', letter: 'd', place: { kind: 'event', index: 3 } }, EVENTS)).toBe(`${text}d #3\n`)
})

it('a mark that moves leaves its note where it was written', () => {
  const moved = changedMarks(FILE, { kind: 'mark', letter: 'a', place: { kind: 'instruction', count: 9 } }, EVENTS)
  expect(moved).toBe(FILE.replace('a #18', '- #18').replace('written\n', 'written\na i:9\n'))
})

it('a note is written at the mark that stands there, and taken away again', () => {
  const place: Place = { kind: 'event', index: 50 }
  const noted = changedMarks(FILE, { kind: 'note', place, text: 'half way' }, EVENTS)
  expect(noted).toBe(FILE.replace('  b   50%', 'b #50  half way'))
  expect(changedMarks(noted, { kind: 'note', place, text: '' }, EVENTS)).toBe(FILE.replace('  b   50%', 'b #50'))
  expect(changedMarks(FILE, { kind: 'note', place: { kind: 'instruction', count: 4711 }, text: '' }, EVENTS)).not.toContain('4711')
})

it('a last line without its end keeps what it says', () => {
  expect(changedMarks('# mine', { kind: 'mark', letter: 'z', place: { kind: 'event', index: 0 } }, EVENTS)).toBe('# mine\nz #0\n')
})

const places: fc.Arbitrary<Place> = fc.oneof(
  fc.record({ kind: fc.constant('event' as const), index: fc.integer({ min: 0, max: EVENTS - 1 }) }),
  fc.record({ kind: fc.constant('instruction' as const), count: fc.integer({ min: 0, max: 5000 }) }),
)
const changes: fc.Arbitrary<MarkChange> = fc.oneof(
  fc.record({ kind: fc.constant('mark' as const), letter: fc.constantFrom(...'abZ'), place: places }),
  fc.record({ kind: fc.constant('note' as const), place: places, text: fc.constantFrom('x', 'two  words', '# 5', 'a #1') }),
)
const foreign: fc.Arbitrary<string> = fc.constantFrom('# remark', '', '  ', 'bogus', 'a #100 beyond', '-', 'ab #1', '\t# x')

it('whatever is changed is there afterwards, and no line of people’s is lost', () => {
  fc.assert(
    fc.property(fc.array(foreign, { maxLength: 5 }), fc.array(changes, { maxLength: 12 }), (lines, made) => {
      let text = lines.map(line => `${line}\n`).join('')
      const marks = new Map<string, string>()
      const notes = new Map<string, string>()
      for (const change of made) {
        text = changedMarks(text, change, EVENTS)
        if (change.kind === 'mark') marks.set(change.letter, formatPosition(change.place))
        else notes.set(formatPosition(change.place), change.text)
      }
      const read = parseMarks(text, EVENTS)
      expect(new Map([...read.marks].map(([letter, place]) => [letter, formatPosition(place)]))).toEqual(marks)
      expect(read.notes).toEqual(notes)
      expect(text.split('\n').filter(line => lines.includes(line) && line !== '')).toEqual(lines.filter(line => line !== ''))
    }),
    { seed: 3, numRuns: 300 },
  )
})
