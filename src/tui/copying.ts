/** What y and Y put on the clipboard: a position, and the command that shows again what is on the screen. */

import { formatLocation } from '../query/location.ts'
import { formatPosition } from '../query/position.ts'
import type { Model, Overlay } from './model.ts'
import { overlayRowsOf } from './panes/overlay.ts'

/** A word as a shell takes it. */
export const shellWord = (text: string): string => (/^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`)

const commandText = (...words: readonly string[]): string => ['vtick', ...words.map(shellWord)].join(' ')

/** The command that opens the explorer here again. */
export function reopening({ trace, place, filter }: Pick<Model, 'trace' | 'place' | 'filter'>): string {
  const filtered = filter === '' ? [] : ['--filter', filter]
  return commandText('explore', trace.name, ...(trace.live?.words ?? []), '--at', formatPosition(place), ...filtered)
}

/** The command that tells the same as the screen over the panes; undefined: there is none. */
function overlayCommand(
  { trace }: Model,
  { screen, question, other = '', otherName = other, by = 'exits', swapped, request }: Overlay,
): string | undefined {
  switch (screen) {
    case 'statistics':
      return commandText('stat', trace.name)
    case 'why':
      return commandText('why', trace.name, formatPosition(question!.place), formatLocation(question!.location))
    case 'diff':
      return commandText('diff', ...(swapped === true ? [otherName, trace.name] : [trace.name, otherName]), '--by', by)
    case 'output':
      return commandText(...request!.argv.map(word => (word === '-' ? trace.name : word)))
    default:
      return undefined
  }
}

const copy = (model: Model, text: string): Model => ({ ...model, copied: { text }, notice: `copied: ${text}` })

/** Of a screen over the panes: where its row leads. */
export function copyPosition(model: Model): Model {
  const { overlay, place } = model
  const found = overlay === null ? place : overlayRowsOf(model)[overlay.at]?.target
  return found ? copy(model, formatPosition(found)) : { ...model, notice: 'this row is about no position' }
}

export const copyCommand = (model: Model): Model =>
  copy(model, (model.overlay === null ? undefined : overlayCommand(model, model.overlay)) ?? reopening(model))
