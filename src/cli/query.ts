/** `vtick query`: the events of a trace that a filter lets through. */

import { compileFilter } from '../query/filter.ts'
import { checkField, FilterError, troubleIn } from '../query/filter-fields.ts'
import type { Matcher } from '../query/filter-tests.ts'
import { selectEvents } from '../query/select.ts'
import { exitReasonName } from '../spec/exit-reasons.ts'
import { eventJson } from '../trace/event-json.ts'
import type { TraceReader } from '../trace/file.ts'
import { formatEvent } from '../trace/format.ts'
import { textTable } from '../trace/table.ts'
import { paintTable } from './colour.ts'
import { EXIT, type ExitCode, type UserError, usageError } from './exit-codes.ts'
import type { CommonOptions, Terminal } from './terminal.ts'
import { openNamedTrace } from './trace-argument.ts'

export interface QueryCommandOptions extends CommonOptions {
  readonly count?: boolean
  readonly first?: boolean
  readonly table?: string
  readonly json?: boolean
}

/** `words` is the filter, or a trace and the filter. */
export function queryCommand(terminal: Terminal, words: readonly string[], options: QueryCommandOptions): ExitCode {
  if (words.length > 2)
    throw usageError(`\`${words[2]}\` is one word too many`, "put the filter in quotes: `vtick query 'exit and cpu == 0'`")
  const [text] = words.slice(-1) as [string]
  const { reader } = openNamedTrace(terminal, words.length === 2 ? words[0] : undefined)
  try {
    const found = selectEvents(reader, matcherOf(text, reader))
    return printEvents(terminal, reader, options.first ? firstOf(found) : found, options)
  } finally {
    reader.close()
  }
}

/** The filter, or one line that points at what is wrong in it. */
export function matcherOf(text: string, reader: TraceReader): Matcher {
  try {
    return compileFilter(text, reader.header.image)
  } catch (error) {
    throw error instanceof FilterError ? filterError(text, error) : error
  }
}

const filterError = (text: string, error: FilterError): UserError =>
  usageError(troubleIn(text, error), error.help || 'see `vtick query --help`')

function* firstOf(indexes: Iterable<number>): Generator<number, void, undefined> {
  for (const index of indexes) {
    yield index
    return
  }
}

function printEvents(
  terminal: Terminal,
  reader: TraceReader,
  found: Iterable<number>,
  { count, table, json }: QueryCommandOptions,
): ExitCode {
  let matches = 0
  const each = function* (): Generator<number> {
    for (const index of found) {
      matches++
      yield index
    }
  }
  if (table !== undefined) printTable(terminal, reader, each(), table.split(','))
  else if (json)
    terminal.print(JSON.stringify({ version: 1, events: Array.from(each(), index => eventJson(reader.event(index), index)) }, null, 2))
  else for (const index of each()) if (!count) terminal.print(formatEvent(reader.event(index), index))
  if (count && !json && table === undefined) terminal.print(String(matches))
  if (matches === 0 && !count && !json) terminal.say('no event matches')
  return matches > 0 ? EXIT.fine : EXIT.no
}

/** Columns of fields; blank where an event has no such field. */
function printTable(terminal: Terminal, reader: TraceReader, found: Iterable<number>, columns: readonly string[]): void {
  for (const column of columns) if (column !== 'kind') checkColumn(column)
  const rows = Array.from(found, index => {
    const event = eventJson(reader.event(index), index)
    return columns.map(column => cell(column, event[column]))
  })
  if (rows.length > 0) terminal.print(paintTable(textTable([[...columns], ...rows], columns.length), terminal.colours))
}

function cell(column: string, value: number | string | undefined): string {
  if (column === 'event') return `#${value}`
  return column === 'reason' && typeof value === 'number' ? exitReasonName(value) : String(value ?? '')
}

function checkColumn(column: string): void {
  try {
    checkField(column, 0)
  } catch (error) {
    if (error instanceof FilterError) throw usageError(`--table: ${error.message}`, error.help || 'columns are fields, with commas between')
    throw error
  }
}
