/** Rows of a pane as styled pieces of text, cut and padded to an exact width. The screen and the plain output show the same rows. */

import stringWidth from 'string-width'

/** What a piece of text is; `theme.ts` says how that looks. No tone carries news that the text does not. */
export type Tone =
  | 'plain'
  | 'dim'
  | 'strong'
  | 'title'
  | 'focus'
  | 'current'
  | 'changed'
  | 'exit'
  | 'timer'
  | 'interrupt'
  | 'warning'
  | 'key'
  | 'hit'
  | 'level0'
  | 'level1'
  | 'level2'
  | 'removed'
  | 'added'

export interface Span {
  readonly text: string
  readonly tone: Tone
}

export type Line = readonly Span[]

export const span = (text: string, tone: Tone = 'plain'): Span => ({ text, tone })

/** ASCII and the characters that our frames are drawn with: one column each. */
const NARROW = /^[\x20-\x7e\u2500-\u259f\u00b7]*$/

export const widthOf = (text: string): number => (NARROW.test(text) ? text.length : stringWidth(text))

export const lineText = (line: Line): string => line.map(({ text }) => text).join('')

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

/** As many characters as fit into `width` columns; what is cut ends in `~`. */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text
  if (width <= 0) return ''
  if (NARROW.test(text)) return `${text.slice(0, width - 1)}~`
  let kept = ''
  for (const { segment } of graphemes.segment(text)) {
    if (widthOf(kept + segment) > width - 1) break
    kept += segment
  }
  return pad(`${kept}~`, width)
}

/** Frame and bar characters in ASCII. */
const ASCII: Readonly<Record<string, string>> = { '─': '-', '│': '|', '·': '.', '█': '#', '▓': '#', '▒': '+', '░': '.' }

export const ascii = (text: string): string => text.replace(/[\u2500-\u259f\u00b7]/g, character => ASCII[character] ?? '+')

export const pad = (text: string, width: number): string => text + ' '.repeat(Math.max(0, width - widthOf(text)))

/** Exactly `width` columns. */
export function fit(line: Line, width: number): Line {
  const spans: Span[] = []
  let left = width
  for (const { text, tone } of line) {
    if (left === 0) break
    const shown = cut(text, left)
    spans.push({ text: shown, tone })
    left -= widthOf(shown)
  }
  if (left > 0) spans.push({ text: ' '.repeat(left), tone: line.length === 1 ? line[0]!.tone : 'plain' })
  return spans
}

/** Text from a trace or a source file, safe to show: tabs as blanks, control characters as dots. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to be replaced
export const printable = (text: string): string => text.replace(/\t/g, '        ').replace(/[\x00-\x1f\x7f-\x9f]/g, '.')

/** `18 402`: digits in groups of three, for counts that people read. */
export const grouped = (count: number): string => String(count).replace(/\B(?=(?:\d{3})+$)/g, ' ')
