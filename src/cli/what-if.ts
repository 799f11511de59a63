/** `vtick replay --param` and `--set`: the recorded run once more, changed, as a new trace. */

import { basename } from 'node:path'
import { EDIT_FORMS, type Edit, parseEdit } from '../session/edit.ts'
import { openTimeline } from '../session/timeline.ts'
import { type Cursor, START } from '../session/travel.ts'
import { whatIf } from '../session/what-if.ts'
import type { TraceReader } from '../trace/file.ts'
import { groupedNumber } from '../trace/table.ts'
import { cursorIn } from './cursor-argument.ts'
import { EXIT, type ExitCode, usageError } from './exit-codes.ts'
import { OWN_DIRECTORY } from './own-directory.ts'
import { requireEvents } from './place-argument.ts'
import type { Printable } from './printable.ts'
import type { ReplayCommandOptions } from './replay.ts'
import { runSlices } from './slices.ts'
import { printRun } from './state-text.ts'
import type { Terminal } from './terminal.ts'
import { openNamedTrace, openRunnableTrace, prepareTracePlace } from './trace-argument.ts'
import { openSink } from './trace-sink.ts'

export async function whatIfCommand(terminal: Terminal, file: string | undefined, options: ReplayCommandOptions): Promise<ExitCode> {
  const { name, reader, config } = openRunnableTrace(terminal, file)
  try {
    if (options.param !== undefined && config.mode === 'bare')
      throw usageError(`${name} ran on the bare CPU: there is no KVM that could have parameters`, 'leave --param out')
    const edits = editsOf(reader, options.set ?? [])
    if (options.at !== undefined && edits.length === 0) throw usageError('--at says when --set sets', `add --set ${EDIT_FORMS}`)
    const at = options.at === undefined ? START : await placeAt(terminal, reader, { name, at: options.at })
    if (at === null) return EXIT.interrupted
    const output = options.output ?? `${OWN_DIRECTORY}/${basename(name).replace(/\.vtrace$/, '')}-what-if.vtrace`
    const refused: string[] = []
    const slices = whatIf(
      reader,
      { ...(options.param === undefined ? {} : { parameters: options.param }), edits, at, refused: text => void refused.push(text) },
      openSink(prepareTracePlace(terminal.io, output), output),
    )
    const { value: recording } = await runSlices(terminal, slices, { doing: `running ${name} again` })
    if (recording === null) return EXIT.interrupted
    const { end } = recording
    if (options.print !== undefined) printNamed(terminal, output, options.print)
    terminal.print(`${output}: ${groupedNumber(recording.events)} events, ended by ${end.reason}, status ${end.status}`)
    terminal.print(`compare: vtick diff ${name} ${output}`)
    if (refused.length > 0)
      throw usageError(
        `the machine refuses ${refused.join(' and ')}: ${output} is a run without it`,
        'give a value that WRMSR takes, or memory that is mapped there',
      )
    return EXIT.fine
  } finally {
    reader.close()
  }
}

function printNamed(terminal: Terminal, name: string, print: ReadonlySet<Printable>): void {
  const { reader } = openNamedTrace(terminal, name)
  try {
    printRun(terminal, reader, print)
  } finally {
    reader.close()
  }
}

function editsOf({ header }: TraceReader, texts: readonly string[]): readonly Edit[] {
  const labels = new Map(header.image.symbols.map(({ name, value }) => [name, value]))
  return texts.map(text => {
    const edit = parseEdit(text, labels)
    if ('problem' in edit) throw usageError(`--set ${text}: ${edit.problem}`, edit.help)
    return edit
  })
}

async function placeAt(terminal: Terminal, reader: TraceReader, { name, at }: { name: string; at: string }): Promise<Cursor | null> {
  requireEvents(reader, name)
  return await cursorIn(terminal, openTimeline(reader), { name, at })
}
