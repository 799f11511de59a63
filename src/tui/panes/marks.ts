/** Marks and notes, one a row: the letter, the position, what happens there, the note; Enter goes there. */

import { formatPosition, type Place, parsePosition, resolvePosition } from '../../query/position.ts'
import { eventColumns } from '../../trace/format.ts'
import { type Line, printable, span } from '../lines.ts'
import type { Model } from '../model.ts'
import type { OverlayRow, OverlayScreen } from '../overlay-screen.ts'

const POSITION = 10
const EVENT = 32

interface Jotted {
  readonly letter: string
  readonly at: string
  readonly place: Place
}

/** Marks by their letters, then notes where no mark stands. */
function jotted({ marks, notes, trace }: Model): readonly Jotted[] {
  const lettered = [...marks].sort().map(([letter, place]): Jotted => ({ letter, at: formatPosition(place), place }))
  const others = [...notes.keys()].filter(at => !lettered.some(mark => mark.at === at))
  return [...lettered, ...others.map(at => ({ letter: ' ', at, place: resolvePosition(parsePosition(at)!, trace.count)! }))]
}

function eventText({ trace }: Model, place: Place): string {
  if (place.kind === 'instruction') return ''
  const { level, word, detail } = eventColumns(trace.event(place.index))
  return printable(`${level} ${word} ${detail}`).slice(0, EVENT)
}

export function marksScreen(model: Model): OverlayScreen {
  const words: Line = [span("   m LETTER marks, ' LETTER goes there, :note TEXT notes", 'dim')]
  const rows = jotted(model).map(({ letter, at, place }): OverlayRow => {
    const where = `   ${letter} ${at.padEnd(POSITION)} `
    return {
      line: [span(where, 'strong'), span(`${eventText(model, place).padEnd(EVENT)}  `), span(printable(model.notes.get(at) ?? ''), 'key')],
      target: place,
    }
  })
  return { title: 'marks', rows: [{ line: words, target: null }, ...rows] }
}
