/**
 * Marks and notes as the text of a file beside the trace, which people may edit. One a line: the mark's letter, or `-` for a note
 * alone; the position; the note. What is no such line stays as it is: comments, blank lines, and what somebody mistyped.
 *
 *     # from the meeting on Monday
 *     a #18402  the deadline is written
 *     - i:4711  EAX is wrong from here on
 */

import { formatPosition, type Place, parsePosition, resolvePosition } from './position.ts'

/** The file of a trace's marks. */
export const marksFileOf = (trace: string): string => `${trace}.marks`

export interface Marks {
  readonly marks: ReadonlyMap<string, Place>
  /** By position, as `formatPosition` writes it. */
  readonly notes: ReadonlyMap<string, string>
  /** The first line that cannot be read, and why; empty where there is none. */
  readonly trouble: string
}

export const NO_MARKS: Marks = { marks: new Map(), notes: new Map(), trouble: '' }

/** A change of the file: a mark set, a note written, or taken away where it is empty. */
export type MarkChange =
  | { readonly kind: 'mark'; readonly letter: string; readonly place: Place }
  | { readonly kind: 'note'; readonly place: Place; readonly text: string }

interface Entry {
  /** Empty for a note alone. */
  readonly letter: string
  readonly place: Place
  readonly note: string
}

const LINE = /^\s*([a-zA-Z]|-)\s+(\S+)(?:\s+(.*?))?\s*$/

const isWords = (line: string): boolean => line.trim() !== '' && !line.trim().startsWith('#')

/** A text says what is wrong with the line. */
function entryOf(line: string, events: number): Entry | string {
  const [, letter, at, note = ''] = LINE.exec(line) ?? []
  if (letter === undefined || at === undefined) return 'write a letter or -, a position, and a note'
  const position = parsePosition(at)
  if (position === undefined) return `\`${at}\` is no position`
  const place = resolvePosition(position, events)
  if (place !== undefined) return { letter: letter === '-' ? '' : letter, place, note }
  return position.kind === 'event' ? `the trace has no event ${at}` : 'only #EVENT, i:INSTRUCTION, PERCENT% and @end may stand here'
}

/** In a trace of so many events. Of two lines for one letter the later one counts. */
export function parseMarks(text: string, events: number): Marks {
  const marks = new Map<string, Place>()
  const notes = new Map<string, string>()
  let trouble = ''
  for (const [number, line] of text.split('\n').entries()) {
    if (!isWords(line)) continue
    const entry = entryOf(line, events)
    if (typeof entry === 'string') {
      if (trouble === '') trouble = `line ${number + 1}: ${entry}`
      continue
    }
    if (entry.letter !== '') marks.set(entry.letter, entry.place)
    if (entry.note !== '') notes.set(formatPosition(entry.place), entry.note)
  }
  return { marks, notes, trouble }
}

const lineOf = ({ letter, place, note }: Entry): string => `${letter || '-'} ${formatPosition(place)}${note === '' ? '' : `  ${note}`}`

/** The text after a change; every other line is as it was. A note whose mark moves away stays where it was written. */
export function changedMarks(text: string, change: MarkChange, events: number): string {
  const at = formatPosition(change.place)
  let isDone = false
  const lines = text.split('\n').flatMap((line): readonly string[] => {
    const entry = isWords(line) ? entryOf(line, events) : ''
    if (typeof entry === 'string') return [line]
    const isHere = formatPosition(entry.place) === at
    if (change.kind === 'note') {
      if (!isHere) return [line]
      const note = isDone ? '' : change.text
      isDone = true
      return entry.letter === '' && note === '' ? [] : [lineOf({ ...entry, note })]
    }
    if (entry.letter !== change.letter) return [line]
    const left = entry.note === '' || isHere ? [] : [lineOf({ ...entry, letter: '' })]
    if (isDone) return left
    isDone = true
    return [...left, lineOf({ ...entry, place: change.place, note: isHere ? entry.note : '' })]
  })
  if (isDone) return lines.join('\n')
  const added: Entry =
    change.kind === 'mark'
      ? { letter: change.letter, place: change.place, note: '' }
      : { letter: '', place: change.place, note: change.text }
  const isEmpty = change.kind === 'note' && change.text === ''
  return isEmpty ? text : `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${lineOf(added)}\n`
}
