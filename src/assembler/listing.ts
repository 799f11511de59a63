/**
 * The listing, in the columns of NASM's: line, offset in the section, bytes, depth of macros, source. Bytes that hold an
 * address are in brackets.
 */

import type { ImageSource } from './image.ts'
import type { LogicalLine } from './preprocessor/lines.ts'
import type { Assembly, Placement } from './state.ts'

const BYTES_IN_LINE = 9

const hex = (value: number, digits: number): string => value.toString(16).toUpperCase().padStart(digits, '0')

export function renderListing(lines: readonly LogicalLine[], assembly: Assembly): string {
  const placed = new Map<LogicalLine, Placement[]>()
  for (const placement of assembly.placements) {
    const { line } = placement.item
    const known = placed.get(line)
    if (known) known.push(placement)
    else placed.set(line, [placement])
  }
  const texts = assembly.sources.map(({ text }: ImageSource) => text.split(/\r?\n/))
  const out: string[] = []
  for (const line of lines) {
    const mark = line.depth > 0 ? `<${line.depth}>`.padStart(4) : '    '
    const text = texts[line.source]?.[line.line - 1] ?? ''
    const source = `${mark} ${line.depth > 0 ? text.replace(/^\s+/, ' ') : text}`.trimEnd()
    const rows = (placed.get(line) ?? []).flatMap(placement => bytesOf(placement, assembly))
    const number = String(line.line).padStart(6)
    if (rows.length === 0) out.push(`${number} ${' '.repeat(28)}${source}`.trimEnd())
    for (const [index, [offset, bytes]] of rows.entries())
      out.push(`${number} ${hex(offset, 8)} ${bytes.padEnd(19)}${index === 0 ? source : ''}`.trimEnd())
  }
  return `${out.join('\n')}\n`
}

/** The bytes of one placement, in rows. */
function bytesOf({ section, offset, length, fixups, repeated, reserved }: Placement, assembly: Assembly): [number, string][] {
  if (reserved) return [[offset, length <= BYTES_IN_LINE ? '?'.repeat(length * 2) : `<res ${hex(length, 1)}h>`]]
  const bytes = assembly.sections[section]!.bytes
  const unit = repeated > 0 && length > repeated ? repeated : length
  const cells: string[] = []
  for (let at = 0; at < unit; at++) {
    const fixup = fixups.find(entry => !entry.relative && at >= entry.at && at < entry.at + entry.bytes)
    const open = fixup?.at === at ? '[' : ''
    const close = fixup && fixup.at + fixup.bytes - 1 === at ? ']' : ''
    cells.push(`${open}${hex(bytes[offset + at] ?? 0, 2)}${close}`)
  }
  const rows: [number, string][] = []
  for (let at = 0; at < cells.length; at += BYTES_IN_LINE) {
    const more = at + BYTES_IN_LINE < cells.length ? '-' : ''
    rows.push([offset + at, `${cells.slice(at, at + BYTES_IN_LINE).join('')}${more}`])
  }
  if (unit < length) rows[rows.length - 1]![1] += `<rep ${hex(length / unit, 1)}h>`
  return rows
}
