/** Disassembly under its source lines, around the next instruction, which carries `>`. */

import type { CodeRow } from '../../session/timeline-code.ts'
import { fit, type Line, printable, span } from '../lines.ts'
import type { Model } from '../model.ts'

/** The next instruction stands this far down, of one. */
const CURRENT_AT = 0.4
/** From this width on the bytes of an instruction are shown. */
const BYTES_WIDTH = 64
const BYTES_COLUMN = 22
const MOST_BYTES = 10

function bytesText(bytes: readonly number[]): string {
  const shown = bytes.slice(0, MOST_BYTES).map(byte => byte.toString(16).padStart(2, '0'))
  return `${shown.join('')}${bytes.length > MOST_BYTES ? '-' : ''}`.padEnd(BYTES_COLUMN)
}

function codeLine(row: CodeRow, width: number): Line {
  switch (row.kind) {
    case 'source':
      return fit([span(`${String(row.line).padStart(5)}  ${printable(row.text)}`, 'dim')], width)
    case 'label':
      return fit([span(` ${row.name}:`, 'strong')], width)
    case 'code': {
      const bytes = width >= BYTES_WIDTH ? `${bytesText(row.bytes)} ` : ''
      const text = `${row.isCurrent ? '>' : ' '} ${row.address.toString(16).padStart(8)}  ${bytes}${row.text}`
      return fit([span(text, row.isCurrent ? 'current' : 'plain')], width)
    }
  }
}

/** The name of the source file of the next instruction. */
export function sourceFile({ trace, place }: Model): string {
  const { code } = trace.situation(place)
  const current = code.findIndex(row => row.kind === 'code' && row.isCurrent)
  const source = code.findLast((row, position) => row.kind === 'source' && position < current)
  return source?.kind === 'source' ? source.file : ''
}

export function codeLines(model: Model, width: number, rows: number): readonly Line[] {
  const { code } = model.trace.situation(model.place)
  const current = code.findIndex(row => row.kind === 'code' && row.isCurrent)
  const wanted = current - Math.floor(rows * CURRENT_AT) + model.codeScroll
  const top = Math.min(Math.max(wanted, 0), Math.max(0, code.length - rows))
  return code.slice(top, top + rows).map(row => codeLine(row, width))
}
