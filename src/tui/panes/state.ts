/**
 * The state at the place: the registers, or the rows of the chosen view. What differs from the compare point carries `*`; in the focused
 * pane a cursor stands on one of the values.
 */

import type { Location } from '../../query/location.ts'
import type { StateRow } from '../../session/timeline-state.ts'
import { comparePlace } from '../compare.ts'
import { EXTRA_WIDE, regionOf } from '../layout.ts'
import { fit, type Line, lineText, span, widthOf } from '../lines.ts'
import { memoryAddress } from '../memory-address.ts'
import type { Model, StateView } from '../model.ts'
import { registerBlock, registerLines } from './registers.ts'
import { type Block, type Pick, plainBlock, pointedAt, stacked, valueBlock } from './state-block.ts'

/** Of the names; and in a pane of so many columns. */
const NAME_COLUMN = 16
const WIDE_NAME_COLUMN = 27
const WIDE_PANE = 60

/** A row of a view: name and value, and in narrow panes the value under the name; what it means behind it. */
function rowBlock(row: StateRow, before: ReadonlyMap<string, string>, width: number): Block {
  if (row.kind === 'heading') return plainBlock([span(`-- ${row.text}`, 'dim')])
  const changed = before.get(row.name) !== row.text
  const tone = changed ? 'changed' : 'plain'
  const name = `${changed ? '*' : ' '}${row.name}`
  const column = Math.max(Math.min(width >= WIDE_PANE ? WIDE_NAME_COLUMN : NAME_COLUMN, width - widthOf(row.text) - 2), widthOf(name))
  const left = width - column - widthOf(row.text) - 3
  if (left < -2) {
    const words = row.note === '' ? [] : notes(row.note, width, 4)
    return valueBlock([[span(name, tone)], [span(`   ${row.text}`, tone)], ...words], row.location)
  }
  const head = [span(`${name.padEnd(column)} `, tone), span(row.text, tone)]
  if (row.note === '') return valueBlock([head], row.location)
  if (widthOf(row.note) <= left) return valueBlock([[...head, span(`  ${row.note}`, 'dim')]], row.location)
  return valueBlock([head, ...notes(row.note, width, width >= WIDE_PANE ? column + 1 : 4)], row.location)
}

/** Long meanings in as many lines as they need. */
function notes(text: string, width: number, indent: number): Line[] {
  const rows: string[] = []
  for (const piece of text.split(' ')) {
    const last = rows.at(-1)
    if (last === undefined || last.length + piece.length + 1 + indent > width) rows.push(piece)
    else rows[rows.length - 1] = `${last} ${piece}`
  }
  return rows.map(row => [span(`${' '.repeat(indent)}${row}`, 'dim')])
}

/** Beside a pane of registers the state pane shows another view. */
export const shownView = ({ stateView, size, zoomed }: Model): StateView =>
  stateView === 'registers' && size.columns >= EXTRA_WIDE && !zoomed ? 'vmcs' : stateView

function stateBlock(model: Model, width: number, view = shownView(model)): Block {
  if (view === 'registers') return registerBlock(model, width)
  const { trace, place, vcpu, vmcs } = model
  const cpu = trace.moment(place, vcpu).cpu
  const address = view === 'memory' ? memoryAddress(model) : 0n
  const wanted = { view, cpu, address, vmcs }
  const before = trace.rows(comparePlace(model), wanted)
  const values = new Map(before.flatMap(row => (row.kind === 'value' ? [[row.name, row.text] as const] : [])))
  return stacked(trace.rows(place, wanted).map(row => rowBlock(row, values, width)))
}

const within = (at: number, picks: readonly Pick[]): number => Math.min(Math.max(at, 0), Math.max(0, picks.length - 1))

/** The first line in sight: the cursor stands in the middle where it can. */
const topOf = ({ lines, picks }: Block, at: number, rows: number): number => {
  const row = at === 0 ? 0 : (picks[at]?.row ?? 0)
  return Math.min(Math.max(0, row - Math.floor(rows / 2)), Math.max(0, lines.length - rows))
}

/** The rows in sight. */
export function stateRows(model: Model, width: number, rows: number): readonly Line[] {
  const block = stateBlock(model, width)
  const at = within(model.stateAt, block.picks)
  const pick = block.picks[at]
  const top = topOf(block, at, rows)
  return block.lines
    .slice(top, top + rows)
    .map((line, row) => fit(model.focus === 'state' && pick?.row === top + row ? pointedAt(line, pick) : line, width))
}

export const registerRows = (model: Model, width: number, rows: number): readonly Line[] =>
  registerLines(model, width)
    .slice(0, rows)
    .map(line => fit(line, width))

const blockInSight = (model: Model): Block => stateBlock(model, regionOf(model, 'state')?.width ?? model.size.columns)

/** The cursor so many values on. */
export const moveInState = (model: Model, by: number): Model => ({
  ...model,
  stateAt: within(model.stateAt + by, blockInSight(model).picks),
})

/** The cursor at the value in a row of the pane; where it is if that row has none. */
export function pointInState(model: Model, row: number, column: number): Model {
  const block = blockInSight(model)
  const line = row + topOf(block, within(model.stateAt, block.picks), regionOf(model, 'state')?.rows ?? 1)
  const startOf = ({ at }: Pick): number => block.lines[line]!.slice(0, at).reduce((sum, { text }) => sum + widthOf(text), 0)
  const found = block.picks.findLastIndex(pick => pick.row === line && startOf(pick) <= column)
  return found < 0 ? model : { ...model, stateAt: found }
}

const spoken = (text: string): string => text.trim().replace(/^\*/, 'changed: ').replace(/ +/g, ' ')

/** All rows as text, for those who listen. */
export const stateTexts = (model: Model): readonly string[] => blockInSight(model).lines.map(line => spoken(lineText(line)))

/** The value under the cursor with what is said about it. */
export function valueUnderCursor(model: Model): string {
  const { lines, picks } = blockInSight(model)
  const pick = picks[within(model.stateAt, picks)]
  if (pick === undefined) return ''
  const [name, value] = lines[pick.row]!.slice(pick.at)
  const next = picks.find(({ row }) => row > pick.row)?.row ?? lines.length
  const under = lines.slice(pick.row + 1, next).map(line => lineText(line).trim())
  return [spoken(`${name?.text ?? ''} ${value?.text ?? ''}`), ...under].join(' ')
}

/** How to ask about the value under the cursor; only the CPU whose turn it is can be asked. */
export function locationUnderCursor(model: Model): Location | undefined {
  const { trace, place, vcpu } = model
  if (vcpu !== undefined && vcpu !== trace.moment(place).cpu) return undefined
  const { picks } = blockInSight(model)
  return picks[within(model.stateAt, picks)]?.location
}
