/** `vtick replay`: runs a recording again and compares every observation. */

import type { KvmParameters } from '../kvm/parameters.ts'
import { firstDifferentField } from '../session/compare.ts'
import type { Divergence } from '../session/replay.ts'
import { replayInSlices } from '../session/replay.ts'
import type { TraceEvent } from '../spec/trace-events.ts'
import { formatEvent } from '../trace/format.ts'
import { groupedNumber } from '../trace/table.ts'
import { EXIT, type ExitCode, usageError } from './exit-codes.ts'
import type { Printable } from './printable.ts'
import { runSlices } from './slices.ts'
import { printRun } from './state-text.ts'
import type { CommonOptions, Terminal } from './terminal.ts'
import { type NamedTrace, openRunnableTrace } from './trace-argument.ts'

export interface ReplayCommandOptions extends CommonOptions {
  readonly param?: Partial<KvmParameters>
  readonly set?: readonly string[]
  readonly at?: string
  readonly output?: string
  readonly print?: ReadonlySet<Printable>
}

export async function replayCommand(terminal: Terminal, file: string | undefined, options: ReplayCommandOptions): Promise<ExitCode> {
  if (options.param !== undefined || options.set !== undefined) {
    const { whatIfCommand } = await import('./what-if.ts')
    return whatIfCommand(terminal, file, options)
  }
  if (options.at !== undefined || options.output !== undefined)
    throw usageError('--at and -o belong to --set and --param', 'leave them out to compare every observation')
  const trace = openRunnableTrace(terminal, file)
  const { name, reader } = trace
  try {
    const { value: result } = await runSlices(terminal, replayInSlices(reader), { doing: `replaying ${name}` })
    if (result === null) {
      terminal.complain(`${name}: interrupted; nothing was decided, so replay it again`)
      return EXIT.interrupted
    }
    if (result.kind === 'diverged') {
      terminal.complain(divergenceText(trace, result.divergence))
      return EXIT.diverged
    }
    const state = result.end === null ? 'up to where the recording stops' : `state ${result.hash.slice(0, 16)}`
    if (options.print !== undefined) printRun(terminal, reader, options.print)
    terminal.print(`${name}: ${terminal.colours.good('the same')}: all ${groupedNumber(result.events)} events, ${state}`)
    return EXIT.fine
  } finally {
    reader.close()
  }
}

const valueText = (value: unknown): string => {
  if (typeof value === 'bigint') return `0x${value.toString(16)}`
  if (typeof value === 'number') return value > 9 ? `0x${value.toString(16)}` : String(value)
  return value instanceof Uint8Array ? JSON.stringify(Buffer.from(value).toString('latin1')) : String(value)
}

const fieldOf = (event: TraceEvent, field: string): string => valueText((event as unknown as Record<string, unknown>)[field])

/** What differs first: the field with both values, or which side has ended. */
function differenceText({ expected, actual }: Divergence): string {
  if (expected === null) return 'the recording has ended, the replay goes on'
  if (actual === null) return 'the replay has ended, the recording goes on'
  const field = firstDifferentField(expected, actual)
  if (field === null) return 'equal events' // a divergence never is
  if (field === 'kind') return `the recording says ${expected.kind}, the replay ${actual.kind}`
  return `${expected.kind}.${field} was ${fieldOf(expected, field)}, and is ${fieldOf(actual, field)} now`
}

/** A divergence in words: the first differing field, both events, the last agreeing one, the likely cause, the next command. */
export function divergenceText({ name, reader }: NamedTrace, divergence: Divergence): string {
  const { index, expected, actual, cause } = divergence
  const last = index > 0 ? [`  last agreeing  ${formatEvent(reader.event(index - 1), index - 1)}`] : []
  return [
    `${name}: the replay diverges at #${index}: ${differenceText(divergence)}`,
    ...last,
    `  recorded       ${expected === null ? 'nothing more' : formatEvent(expected, index)}`,
    `  replayed       ${actual === null ? 'nothing more' : formatEvent(actual, index)}`,
    `  likely cause   ${cause}`,
    `  next           \`vtick info ${name}\` shows what was recorded; record the guest again and compare with \`vtick diff ${name} NEW --by all\``,
  ].join('\n')
}
