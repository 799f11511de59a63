/**
 * Colour outside the explorer. Decided once for each stream: `--color` and `--no-color`, then NO_COLOR, then FORCE_COLOR, then
 * whether it is a terminal. Colour never says anything that the text does not say too.
 */

import pc from 'picocolors'
import type { Io, Output } from './io.ts'

type Paint = (text: string) => string

export interface Colours {
  readonly bad: Paint
  readonly good: Paint
  readonly warn: Paint
  readonly note: Paint
  readonly strong: Paint
  readonly faint: Paint
}

const isSet = (value: string | undefined): value is string => value !== undefined && value !== ''

export function wantsColour(output: Output, env: Io['env'], flag: boolean | undefined): boolean {
  if (flag !== undefined) return flag
  if (isSet(env.NO_COLOR)) return false
  if (isSet(env.FORCE_COLOR)) return env.FORCE_COLOR !== '0' && env.FORCE_COLOR !== 'false'
  return output.isTerminal && env.TERM !== 'dumb'
}

export function coloursFor(enabled: boolean): Colours {
  const { red, green, yellow, cyan, bold, dim } = pc.createColors(enabled)
  return { bad: red, good: green, warn: yellow, note: cyan, strong: bold, faint: dim }
}

const byLine = (text: string, paint: (line: string) => string): string => text.split('\n').map(paint).join('\n')

/** Diagnostics: the severity word, and the marks under the source. */
export const paintDiagnostics = (text: string, { bad, warn, note }: Colours): string =>
  byLine(text, line => {
    if (/^\s+\| [\s^~]*[\^~]/.test(line)) return line.replace(/[\^~].*$/, note)
    return line
      .replace(/: (error\[\w+\]):/, (_, word: string) => `: ${bad(word)}:`)
      .replace(/: (warning\[\w+\]):/, (_, word: string) => `: ${warn(word)}:`)
  })

/** A difference: what only A has red, what only B has green, times yellow. */
export const paintDiff = (text: string, { bad, good, warn, note, strong }: Colours): string =>
  byLine(text, line => {
    if (/^(---|\+\+\+) /.test(line)) return strong(line)
    if (line.startsWith('- ')) return bad(line)
    if (line.startsWith('+ ')) return good(line)
    if (line.startsWith('~ ')) return warn(line)
    return line.startsWith('@@') ? note(line) : paintChange(line, good)
  })

/** A row of the exit counts that fell. */
const paintChange = (line: string, good: Paint): string => (/ \(-[\d ]+%?\)$/.test(line) ? good(line) : line)

/** A table: its head stands back. */
export const paintTable = (text: string, { faint }: Colours): string => text.replace(/^.*/, faint)
