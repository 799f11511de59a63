/**
 * The same view as lines of text, for pipes, dumb terminals and people who listen: where it is, the events around, the code, the
 * registers.
 */

import type { Place } from '../query/position.ts'
import { lineText } from './lines.ts'
import { settled } from './movement.ts'
import { codeLines, sourceFile } from './panes/code.ts'
import { eventLines } from './panes/events.ts'
import { headerLine } from './panes/header.ts'
import { registerLines } from './panes/registers.ts'
import type { TraceSource } from './trace-source.ts'
import { initialModel } from './update.ts'

const COLUMNS = 100
const EVENT_ROWS = 21
const CODE_ROWS = 25
/** As tall as makes the event list as long as wanted, without a timeline. */
const ROWS = EVENT_ROWS + 3

const texts = (lines: readonly Parameters<typeof lineText>[0][]): string => lines.map(line => lineText(line).trimEnd()).join('\n')

export function plainText(trace: TraceSource, place: Place, filter = ''): string {
  trace.index.advance(Number.POSITIVE_INFINITY)
  if (filter !== '') trace.select(filter).advance(Number.POSITIVE_INFINITY)
  trace.visits.advance(Number.POSITIVE_INFINITY)
  const model = settled({ ...initialModel(trace, place, { columns: COLUMNS, rows: ROWS }), filter })
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
    texts(registerLines(model, COLUMNS)),
    '',
  ].join('\n')
}
