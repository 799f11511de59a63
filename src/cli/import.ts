/** `vtick import`: a kernel's trace as one of ours, to be compared. It holds no program, so it cannot be run again. */

import { flatImage } from '../assembler/image.ts'
import { createTraceWriter, memorySink, TRACE_VERSION } from '../trace/file.ts'
import { importFtrace } from '../trace/import-ftrace.ts'
import { EXIT, type ExitCode, usageError } from './exit-codes.ts'
import { readFileNamed, writeFileNamed } from './files.ts'
import type { CommonOptions, Terminal } from './terminal.ts'
import { prepareTracePlace } from './trace-argument.ts'

export interface ImportCommandOptions extends CommonOptions {
  readonly output?: string
  readonly tscKhz: number
}

export function importCommand(terminal: Terminal, file: string, { output, tscKhz }: ImportCommandOptions): ExitCode {
  const { events, skipped } = importFtrace(Buffer.from(readFileNamed(terminal.io, file)).toString(), tscKhz)
  if (events.length === 0)
    throw usageError(`${file} holds no event of KVM's`, 'record with `trace-cmd record -e kvm`, and import what `trace-cmd report` prints')
  const name = output ?? `${file === '-' ? 'stdin' : file.replace(/\.[^./\\]*$/, '')}.vtrace`
  prepareTracePlace(terminal.io, name)
  const sink = memorySink()
  const config = { imported: 'ftrace', machine: { tscKhz } }
  const writer = createTraceWriter(sink, { version: TRACE_VERSION, config, image: flatImage(new Uint8Array(), 0, 64) })
  for (const event of events) writer.event(event)
  writer.finish()
  writeFileNamed(terminal.io, name, sink.bytes())
  for (const [why, count] of skipped) terminal.say(`left out ${count} ${count === 1 ? 'line' : 'lines'}: ${why}`)
  terminal.say(`imported ${events.length} events to ${name}; \`vtick diff ${name} OTHER --by exits\` compares`)
  return EXIT.fine
}
