/**
 * The same view as lines of text, for pipes, dumb terminals and people who listen: where it is, the events around, the code, the
 * registers.
 */

import type { Place } from '../query/position.ts'
import { lineText } from './lines.ts'
import { codeLines, sourceFile } from './panes/code.ts'
import { eventLines } from './panes/events.ts'
import { headerLine } from './panes/header.ts'
import { stateLines } from './panes/state.ts'
import type { TraceSource } from './trace-source.ts'
import { initialModel } from './update.ts'

const COLUMNS = 100
const EVENT_ROWS = 21
const CODE_ROWS = 25
/** As tall as makes the event list as long as wanted. */
const ROWS = EVENT_ROWS + 3

const texts = (lines: readonly Parameters<typeof lineText>[0][]): string => lines.map(line => lineText(line).trimEnd()).join('\n')

export function plainText(trace: TraceSource, place: Place): string {
  const model = initialModel(trace, place, { columns: COLUMNS, rows: ROWS })
  const file = sourceFile(model)
  return [
    lineText(headerLine(model, COLUMNS * 2)).trim(),
    '',
    'events',
    texts(eventLines(model, COLUMNS, EVENT_ROWS)),
    '',
    file === '' ? 'code' : `code, ${file}`,
    texts(codeLines(model, COLUMNS, CODE_ROWS)),
    '',
    'registers (* differs from the event or instruction before)',
    texts(stateLines(model, COLUMNS)),
    '',
  ].join('\n')
}
