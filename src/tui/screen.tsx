/** One frame as Ink has it: a row of text for each row of the screen. A row that did not change is not looked at again. */

import { Box, Text } from 'ink'
import { memo } from 'react'
import { frameLines } from './frame.ts'
import { isTooSmall, type Model, SMALLEST } from './model.ts'
import { styledText } from './theme.ts'

/** Ink leaves out rows without text. */
const Row = memo(function Row({ text }: { readonly text: string }) {
  return <Text wrap="truncate">{text === '' ? ' ' : text}</Text>
})

export function Screen({ model }: { readonly model: Model }) {
  const { columns, rows } = model.size
  if (isTooSmall(model.size)) return <Row text={`This needs ${SMALLEST.columns}x${SMALLEST.rows}; q quits.`} />
  return (
    <Box flexDirection="column" width={columns} height={rows}>
      {frameLines(model).map((line, row) => (
        <Row key={row} text={styledText(line, model.theme, model.ascii)} />
      ))}
    </Box>
  )
}
