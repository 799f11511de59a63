/** One frame: header, the panes side by side, footer. */

import { Box, Text } from 'ink'
import { paneRows, visiblePanes } from './layout.ts'
import { isTooSmall, type Model, SMALLEST } from './model.ts'
import { footerLine } from './panes/footer.ts'
import { headerLine } from './panes/header.ts'
import { helpLines } from './panes/help.ts'
import { Pane } from './panes/pane.tsx'
import { Row, Rows } from './styled.tsx'
import { helpTitle } from './title.ts'

const Separator = ({ rows }: { readonly rows: number }) => (
  <Box width={1}>
    <Text dimColor>{['┬', ...Array.from({ length: rows }, () => '│')].join('\n')}</Text>
  </Box>
)

function Body({ model }: { readonly model: Model }) {
  const { columns } = model.size
  const rows = paneRows(model.size)
  if (model.help !== null) {
    return (
      <Box flexDirection="column" height={rows + 1} width={columns}>
        <Row line={helpTitle(columns)} />
        <Rows lines={helpLines(model.help, columns, rows)} width={columns} />
      </Box>
    )
  }
  return (
    <Box height={rows + 1} width={columns}>
      {visiblePanes(model).flatMap(({ pane, width }, position) => [
        ...(position === 0 ? [] : [<Separator key={`before ${pane}`} rows={rows} />]),
        <Pane key={pane} model={model} pane={pane} width={width} rows={rows} />,
      ])}
    </Box>
  )
}

export function Screen({ model }: { readonly model: Model }) {
  const { columns, rows } = model.size
  if (isTooSmall(model.size)) {
    return <Text wrap="truncate">{`This needs ${SMALLEST.columns}x${SMALLEST.rows}; q quits.`}</Text>
  }
  return (
    <Box flexDirection="column" width={columns} height={rows}>
      <Row line={headerLine(model, columns)} />
      <Body model={model} />
      <Row line={footerLine(model, columns)} />
    </Box>
  )
}
