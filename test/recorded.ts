/** Recording a guest in memory, for the tests of everything that reads traces. */

import { readFileSync } from 'node:fs'
import { assemble } from '../src/assembler/assemble.ts'
import type { Image } from '../src/assembler/image.ts'
import { renderDiagnostics } from '../src/assembler/render-diagnostics.ts'
import { type RunOptions, resolveRunConfig } from '../src/session/config.ts'
import { type Recording, type RecordOptions, record } from '../src/session/record.ts'
import type { TraceEvent } from '../src/spec/trace-events.ts'
import { memorySink, openTrace, type TraceReader } from '../src/trace/file.ts'

const at = (path: string): URL => new URL(`../${path}`, import.meta.url)
const include = (name: string) => ({ file: name, text: readFileSync(at(`asm/include/${name}`), 'utf8') })

const images = new Map<string, Image>()

/** A guest of the repository, assembled once for each set of definitions. */
export function guestImage(path: string, defines: Readonly<Record<string, string>> = {}): Image {
  const key = JSON.stringify([path, defines])
  const known = images.get(key)
  if (known) return known
  const result = assemble(readFileSync(at(path), 'utf8'), { file: path, include, defines })
  if (result.image === undefined) throw new Error(renderDiagnostics(result.diagnostics, result.sources))
  images.set(key, result.image)
  return result.image
}

export interface Recorded {
  readonly recording: Recording
  readonly bytes: Uint8Array
  readonly reader: TraceReader
  readonly events: readonly TraceEvent[]
  readonly console: string
}

/** A guest of the repository, by its path, recorded. */
export function recorded(
  path: string,
  options: RunOptions & RecordOptions & { defines?: Readonly<Record<string, string>> } = {},
): Recorded {
  const sink = memorySink()
  const events: TraceEvent[] = []
  const observe = (event: TraceEvent) => events.push(event)
  const recording = record(resolveRunConfig(options), guestImage(path, options.defines), { ...options, sink, observe })
  const bytes = sink.bytes()
  const text = Buffer.from(events.flatMap(event => (event.kind === 'console' ? [event.byte] : []))).toString('latin1')
  return { recording, bytes, reader: openTrace(bytes), events, console: text }
}
