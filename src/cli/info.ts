/** `vtick info`: what a trace is: the program, the configuration, how much it holds and how it ended. */

import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { parameterText } from '../kvm/parameters.ts'
import type { RunConfig } from '../session/config.ts'
import { inputsOf } from '../session/replay.ts'
import { DEFAULT_CPU_FEATURES } from '../spec/cpu-models.ts'
import type { TraceReader } from '../trace/file.ts'
import { formatEvent } from '../trace/format.ts'
import { groupedNumber, textTable } from '../trace/table.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import type { Terminal } from './terminal.ts'
import { openRunnableTrace } from './trace-argument.ts'

export function infoCommand(terminal: Terminal, file: string | undefined, { json = false }: { readonly json?: boolean }): ExitCode {
  const { name, reader, config } = openRunnableTrace(terminal, file)
  try {
    const facts = factsOf(reader, config)
    if (json) terminal.print(JSON.stringify({ version: 1, ...facts }, null, 2))
    else terminal.print(textTable(rowsOf(terminal, name, facts), 2))
    return EXIT.fine
  } finally {
    reader.close()
  }
}

interface Facts {
  readonly identity: string
  readonly format: number
  readonly mode: 'bare' | 'kvm'
  readonly defects: readonly string[]
  readonly parameters: Readonly<Record<string, boolean | number>>
  readonly features: readonly string[]
  readonly memory_mib: number
  readonly tsc_khz: number
  readonly sources: readonly string[]
  readonly image: { readonly origin: string; readonly bytes: number }
  readonly events: number
  readonly keyframes: number
  readonly inputs: readonly string[]
  readonly ticks: number
  readonly end: { readonly reason: string; readonly status: number; readonly instructions: number; readonly hash: string } | null
  readonly truncated: string | null
}

function factsOf(reader: TraceReader, { mode, parameters, defects = [], machine, guestMemoryMiB }: RunConfig): Facts {
  const { version, image } = reader.header
  const { end } = reader
  return {
    identity: reader.identity,
    format: version,
    mode,
    defects,
    parameters: mode === 'kvm' ? { ...parameters } : {},
    features: machine.features,
    memory_mib: guestMemoryMiB,
    tsc_khz: machine.tscKhz,
    sources: image.sources.map(({ file }) => file),
    image: { origin: `0x${image.origin.toString(16)}`, bytes: image.bytes.length },
    events: reader.count,
    keyframes: reader.keyframeCount,
    inputs: inputsOf(reader).map(([index, event]) => formatEvent(event, index)),
    ticks: reader.count === 0 ? 0 : reader.event(reader.count - 1).tick,
    end: end ? { reason: end.reason, status: end.status, instructions: end.instructions, hash: end.hash } : null,
    truncated: reader.truncated ?? null,
  }
}

const counted = (count: number, noun: string): string => `${groupedNumber(count)} ${noun}${count === 1 ? '' : 's'}`

function rowsOf({ io, colours }: Terminal, name: string, facts: Facts): string[][] {
  const missing = DEFAULT_CPU_FEATURES.filter(feature => !facts.features.includes(feature))
  const parameters = Object.entries(facts.parameters).map(parameterText)
  const size = name === '-' ? '' : `, ${groupedNumber(statSync(resolve(io.cwd, name)).size)} bytes`
  const microseconds = facts.ticks / (facts.tsc_khz / 1000)
  const { end } = facts
  const rows = [
    ['trace', `${name} (format ${facts.format}${size})`],
    ['identity', facts.identity],
    ['program', `${facts.sources[0] ?? 'a flat binary'}, ${groupedNumber(facts.image.bytes)} bytes at ${facts.image.origin}`],
    ['ran', facts.mode === 'kvm' ? `under KVM: ${parameters.join(' ')}` : 'on the bare CPU'],
    ...(facts.defects.length === 0 ? [] : [['defects', facts.defects.join(', ')]]),
    ['cpu', missing.length === 0 ? 'every feature' : `every feature but ${missing.join(', ')}`],
    ['memory', `${facts.memory_mib} MiB`],
    ['holds', [counted(facts.events, 'event'), counted(facts.keyframes, 'keyframe'), counted(facts.inputs.length, 'input')].join(', ')],
    ...facts.inputs.map(input => ['input', input]),
    ['time', `${groupedNumber(facts.ticks)} cycles (${groupedNumber(microseconds)} us)`],
    [
      'end',
      end === null
        ? 'not recorded'
        : `${end.reason}, status ${end.status}, ${groupedNumber(end.instructions)} instructions, state ${end.hash.slice(0, 16)}`,
    ],
  ]
  return rows.map(([word, text]) => [colours.faint(word!), text!])
}
