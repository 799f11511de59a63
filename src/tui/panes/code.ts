/**
 * Disassembly under its source lines, around the next instruction, which carries `>`. Beside an instruction stand the exit that it
 * took, and how often it was executed; `[no exit]` where it could have taken one and never did.
 */

import type { CodeRow } from '../../session/timeline-code.ts'
import { INTERCEPTED } from '../../session/timeline-visits.ts'
import { exitReasonName } from '../../spec/exit-reasons.ts'
import { fit, type Line, printable, type Span, span, widthOf } from '../lines.ts'
import type { Model } from '../model.ts'

/** The next instruction stands this far down, of one. */
const CURRENT_AT = 0.4
/** From this width on the bytes of an instruction are shown. */
const BYTES_WIDTH = 68
const BYTES_COLUMN = 22
const MOST_BYTES = 10

type Instruction = Extract<CodeRow, { kind: 'code' }>

function bytesText(bytes: readonly number[]): string {
  const shown = bytes.slice(0, MOST_BYTES).map(byte => byte.toString(16).padStart(2, '0'))
  return `${shown.join('')}${bytes.length > MOST_BYTES ? '-' : ''}`.padEnd(BYTES_COLUMN)
}

/** `[HLT]`, `[no exit]`; and `x3`. */
function tags({ trace }: Model, { address, text }: Instruction): readonly Span[] {
  const { exits, visits, isWhole } = trace.visits
  const exit = exits.get(address)
  const times = visits.get(address) ?? 0
  const couldExit = INTERCEPTED.has(text.split(' ', 1)[0]!)
  const tag = exit !== undefined ? `[${exitReasonName(exit.reason)}]` : couldExit && isWhole && times > 0 ? '[no exit]' : ''
  const count = Math.max(times, exit?.count ?? 0)
  return [
    ...(tag === '' ? [] : [span(` ${tag}`, exit === undefined ? 'dim' : 'exit')]),
    ...(count === 0 ? [] : [span(` x${count}`, 'dim')]),
  ]
}

function codeLine(model: Model, row: CodeRow, width: number): Line {
  switch (row.kind) {
    case 'source':
      return fit([span(`${String(row.line).padStart(5)}  ${printable(row.text)}`, 'dim')], width)
    case 'label':
      return fit([span(` ${row.name}:`, 'strong')], width)
    case 'code':
      return instructionLine(model, row, width)
  }
}

function instructionLine(model: Model, row: Instruction, width: number): Line {
  const isBreakpoint = model.breakpoints.some(point => point.kind === 'code' && point.address === row.address)
  const bytes = width >= BYTES_WIDTH ? `${bytesText(row.bytes)} ` : ''
  const edge = `${row.isCurrent ? '>' : ' '}${isBreakpoint ? 'b' : ' '}`
  const spans = tags(model, row)
  const tagWidth = spans.reduce((sum, { text }) => sum + widthOf(text), 0)
  const left = `${edge}${row.address.toString(16).padStart(8)}  ${bytes}${row.text}`
  if (row.isCurrent) return [...fit([span(left, 'current')], width - tagWidth), ...spans.map(({ text }) => span(text, 'current'))]
  return [...fit([span(left, isBreakpoint ? 'strong' : 'plain')], width - tagWidth), ...spans]
}

/** The name of the source file of the next instruction. */
export function sourceFile({ trace, place, vcpu }: Model): string {
  const code = trace.code(place, vcpu)
  const current = code.findIndex(row => row.kind === 'code' && row.isCurrent)
  const source = code.findLast((row, position) => row.kind === 'source' && position < current)
  return source?.kind === 'source' ? source.file : ''
}

/** The rows in sight, as they are, for clicks. */
export function codeRowsInSight(model: Model, rows: number): readonly CodeRow[] {
  const code = model.trace.code(model.place, model.vcpu)
  const current = code.findIndex(row => row.kind === 'code' && row.isCurrent)
  const wanted = current - Math.floor(rows * CURRENT_AT) + model.codeScroll
  const top = Math.min(Math.max(wanted, 0), Math.max(0, code.length - rows))
  return code.slice(top, top + rows)
}

export const codeLines = (model: Model, width: number, rows: number): readonly Line[] =>
  codeRowsInSight(model, rows).map(row => codeLine(model, row, width))
