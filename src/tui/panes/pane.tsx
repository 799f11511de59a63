/** One pane: its title and its rows. */

import { Box } from 'ink'
import type { Line } from '../lines.ts'
import type { Model, PaneName } from '../model.ts'
import { Row, Rows } from '../styled.tsx'
import { titleLine } from '../title.ts'
import { codeLines } from './code.ts'
import { eventLines } from './events.ts'
import { stateRows } from './state.ts'

const VIEWS: Readonly<Record<PaneName, (model: Model, width: number, rows: number) => readonly Line[]>> = {
  code: codeLines,
  events: eventLines,
  state: stateRows,
}

export interface PaneProps {
  readonly model: Model
  readonly pane: PaneName
  readonly width: number
  readonly rows: number
}

export const Pane = ({ model, pane, width, rows }: PaneProps) => (
  <Box flexDirection="column" width={width}>
    <Row line={titleLine(model, pane, width)} />
    <Rows lines={VIEWS[pane](model, width, rows)} width={width} />
  </Box>
)
