/** How a command speaks: data to stdout, words to stderr with our name in front, each in the colours that its stream wants. */

import { type Colours, coloursFor, wantsColour } from './colour.ts'
import type { Io } from './io.ts'

/** What every command takes. */
export interface CommonOptions {
  readonly color?: boolean
}

/** What a command takes that reads a trace and tells facts. */
export interface ReadingOptions extends CommonOptions {
  readonly json?: boolean
}

export interface Terminal {
  readonly io: Io
  /** Colours for stdout. */
  readonly colours: Colours
  /** Colours for stderr. */
  readonly wordColours: Colours
  /** Data. */
  print(text: string): void
  /** A line of words. */
  say(words: string): void
  /** A line that says what is wrong. */
  complain(words: string): void
}

export function openTerminal(io: Io, colour: boolean | undefined): Terminal {
  const wordColours = coloursFor(wantsColour(io.stderr, io.env, colour))
  return {
    io,
    colours: coloursFor(wantsColour(io.stdout, io.env, colour)),
    wordColours,
    print: text => io.stdout.write(`${text}\n`),
    say: words => io.stderr.write(`vtick: ${words}\n`),
    complain: words => io.stderr.write(`${wordColours.bad('vtick:')} ${words}\n`),
  }
}
