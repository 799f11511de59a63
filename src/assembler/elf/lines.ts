/** From which source line the bytes of each section came. */

import type { Assembly, Item } from '../state.ts'
import type { LineSequence } from './dwarf.ts'

export interface PlacedLine {
  readonly item: Item
  readonly section: number
  readonly offset: number
  readonly length: number
  /** Bytes of one repetition: all of them unless TIMES repeats. */
  readonly unit: number
  readonly source: number
  readonly line: number
}

/** In the order of the source. A macro's bytes belong to the line that called it from outside all macros. */
export function placedLines(assembly: Assembly): PlacedLine[] {
  const lines: PlacedLine[] = []
  for (const { item, section, offset, length, repeated } of assembly.placements) {
    if (assembly.sections[section]!.nobits) continue
    let { source, line } = item.line
    for (let call = item.line.expansion; call !== null; call = call.parent) ({ source, line } = call.call)
    lines.push({ item, section, offset, length, unit: repeated || length, source, line })
  }
  return lines
}

/** The lines of each section, those that follow each other with the same line joined. */
export function lineSequences(assembly: Assembly): LineSequence[] {
  const sequences = assembly.sections.map(({ index, base }) => ({
    section: index,
    base,
    rows: [] as { offset: number; length: number; file: number; line: number }[],
  }))
  for (const { section, offset, length, source, line } of placedLines(assembly)) {
    const { rows } = sequences[section]!
    const before = rows.at(-1)
    if (before !== undefined && before.line === line && before.file === source && before.offset + before.length === offset)
      before.length += length
    else rows.push({ offset, length, file: source, line })
  }
  return sequences
}
