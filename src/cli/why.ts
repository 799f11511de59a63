/** `vtick why`: where a value in a recorded run came from, step by step back to where it began. */

import { formatLocation, isProblem, type Location, parseLocation } from '../query/location.ts'
import { parsePosition } from '../query/position.ts'
import { openTimeline, type Timeline } from '../session/timeline.ts'
import { hex, type Why } from '../session/why/chain.ts'
import { whyText } from '../session/why/text.ts'
import { why } from '../session/why/why.ts'
import { cursorIn } from './cursor-argument.ts'
import { EXIT, type ExitCode, usageError } from './exit-codes.ts'
import { runSlices, waiting } from './slices.ts'
import type { ReadingOptions, Terminal } from './terminal.ts'
import { openRunnableTrace } from './trace-argument.ts'

/** TRACE POSITION LOCATION, of which the first two may be left out. */
function wordsOf(words: readonly string[]): { readonly file: string | undefined; readonly at: string; readonly location: string } {
  const location = words.at(-1)!
  const [first, second] = words.slice(0, -1)
  if (words.length > 3) throw usageError(`${words.length} words are too many`, 'write `vtick why TRACE POSITION LOCATION`')
  if (second !== undefined) return { file: first, at: second, location }
  const isPosition = first !== undefined && parsePosition(first) !== undefined
  return { file: isPosition ? undefined : first, at: isPosition ? first : '@end', location }
}

export interface WhyOptions extends ReadingOptions {
  readonly depth?: number
}

export async function whyCommand(terminal: Terminal, words: readonly string[], { json, depth }: WhyOptions): Promise<ExitCode> {
  const { file, at, location } = wordsOf(words)
  const { name, reader } = openRunnableTrace(terminal, file)
  try {
    const timeline = openTimeline(reader)
    const asked = locationIn(timeline, location)
    const cursor = await cursorIn(terminal, timeline, { name, at })
    if (cursor === null) return EXIT.interrupted
    const slices = waiting(why(timeline, cursor, asked, depth))
    const { value: chain } = await runSlices(terminal, slices, { doing: 'looking back' })
    if (chain === null) return EXIT.interrupted
    terminal.print(json ? JSON.stringify(whyJson(chain)) : whyText(chain).join('\n'))
    return EXIT.fine
  } finally {
    reader.close()
  }
}

/** What the user names, with the labels of the trace's program. */
export function locationIn({ reader }: Timeline, text: string): Location {
  const parsed = parseLocation(text, new Map(reader.header.image.symbols.map(({ name, value }) => [name, value])))
  if (isProblem(parsed)) throw usageError(parsed.problem, parsed.help)
  return parsed
}

/** The chain for programs; 64-bit values as hexadecimal text. */
export const whyJson = ({ location, value, operands, steps, ...rest }: Why): object => ({
  version: 1,
  location: formatLocation(location),
  value: value === undefined ? null : hex(value),
  ...rest,
  symbol: rest.symbol ?? null,
  operands: operands.map(formatLocation),
  steps: steps.map(({ position, cpu, level, text, source, note, depth }) => ({
    position,
    cpu,
    level,
    text,
    source: source ?? null,
    note: note ?? null,
    depth,
  })),
})
