/** Lines as Ink text. The sixteen colours of the terminal only, so that they follow its theme; none with NO_COLOR. */

import { Box, Text, type TextProps } from 'ink'
import { memo } from 'react'
import type { Line, Tone } from './lines.ts'

const COLOURED: Readonly<Record<Tone, TextProps>> = {
  plain: {},
  dim: { dimColor: true },
  strong: { bold: true },
  title: { dimColor: true },
  current: { inverse: true },
  changed: { bold: true },
  exit: { color: 'yellow' },
  timer: { color: 'cyan' },
  interrupt: { color: 'magenta' },
  warning: { bold: true, color: 'red' },
}

const MONOCHROME: Readonly<Record<Tone, TextProps>> = {
  ...COLOURED,
  exit: {},
  timer: {},
  interrupt: {},
  warning: { bold: true },
}

const hasColour = (process.env.NO_COLOR ?? '') === ''

const isSameLine = (a: Line, b: Line): boolean =>
  a.length === b.length && a.every(({ text, tone }, position) => text === b[position]!.text && tone === b[position]!.tone)

/** Blanks at the end cost Ink as much as text, and show only where the line is inverse. */
function withoutPadding(line: Line): Line {
  const last = line.at(-1)
  if (last === undefined || last.tone === 'current') return line
  const text = last.text.trimEnd()
  return text === '' ? withoutPadding(line.slice(0, -1)) : [...line.slice(0, -1), { text, tone: last.tone }]
}

export const Row = memo(
  function Row({ line }: { readonly line: Line }) {
    const tones = hasColour ? COLOURED : MONOCHROME
    const spans = withoutPadding(line)
    if (spans.length === 0) return <Text> </Text>
    if (spans.length === 1) {
      return (
        <Text wrap="truncate" {...tones[spans[0]!.tone]}>
          {spans[0]!.text}
        </Text>
      )
    }
    return (
      <Text wrap="truncate">
        {spans.map(({ text, tone }, position) => (
          <Text key={position} {...tones[tone]}>
            {text}
          </Text>
        ))}
      </Text>
    )
  },
  (before, after) => isSameLine(before.line, after.line),
)

export function Rows({ lines, width }: { readonly lines: readonly Line[]; readonly width: number }) {
  return (
    <Box flexDirection="column" width={width}>
      {lines.map((line, position) => (
        <Row key={position} line={line} />
      ))}
    </Box>
  )
}
