/** Marks and notes that outlive the sitting: each change is made in the file as it stands then, so that what people wrote there stays. */

import { changedMarks, type MarkChange, parseMarks } from '../query/marks.ts'
import { formatPosition, parsePosition, resolvePosition } from '../query/position.ts'
import type { Model } from './model.ts'

/** The file beside the trace; a trouble is one line for the person. */
export interface MarksFile {
  readonly name: string
  /** Empty where there is no such file. */
  read(): { readonly text: string } | { readonly trouble: string }
  /** What kept it from being written. */
  write(text: string): string | undefined
}

function readFrom(model: Model, { name }: MarksFile, text: string): Model {
  const { marks, notes, trouble } = parseMarks(text, model.trace.count)
  const notice = trouble === '' ? model.notice : `${name}, ${trouble}; it stays as it is`
  return { ...model, marks: new Map([...model.marks, ...marks]), notes, notice }
}

/** With what the file says. */
export function withMarks(model: Model, file: MarksFile): Model {
  const found = file.read()
  return 'text' in found ? readFrom(model, file, found.text) : { ...model, notice: found.trouble }
}

/** What the last key marked or noted goes to the file; where that cannot be, with the next that can. */
export function kept(was: Model, next: Model, file: MarksFile): Model {
  const { unsaved, trace } = next
  if (unsaved.length === 0 || unsaved === was.unsaved) return next
  const found = file.read()
  const text = 'text' in found ? unsaved.reduce((lines, change) => changedMarks(lines, change, trace.count), found.text) : ''
  const trouble = 'trouble' in found ? found.trouble : file.write(text)
  return trouble === undefined
    ? readFrom({ ...next, unsaved: [] }, file, text)
    : { ...next, notice: `${next.notice}, not saved: ${trouble}` }
}

/** All marks and notes, for a file that is not there yet. */
export function marksText({ marks, notes, trace }: Model): string {
  const changes: readonly MarkChange[] = [
    ...[...marks].map(([letter, place]) => ({ kind: 'mark', letter, place }) as const),
    ...[...notes].map(([at, text]) => ({ kind: 'note', place: resolvePosition(parsePosition(at)!, trace.count)!, text }) as const),
  ]
  return changes.reduce((text, change) => changedMarks(text, change, trace.count), '')
}

/** Sets a mark or writes a note here. */
export function jot(model: Model, change: MarkChange): Model {
  const jotted: Model = { ...model, unsaved: [...model.unsaved, change] }
  if (change.kind === 'mark')
    return {
      ...jotted,
      marks: new Map(model.marks).set(change.letter, change.place),
      lastMark: change.letter,
      notice: `mark '${change.letter} is ${formatPosition(change.place)}`,
    }
  const notes = new Map(model.notes)
  const at = formatPosition(change.place)
  if (change.text === '') notes.delete(at)
  else notes.set(at, change.text)
  return { ...jotted, notes, notice: `${change.text === '' ? 'no note' : 'noted'} at ${at}` }
}
