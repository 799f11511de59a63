/** Where the instructions of an image stand, as opposed to the data between them: what a run can execute. */

import { rowsByMnemonic } from '../isa/table.ts'
import type { Statement } from './ast.ts'
import { placedLines } from './elf/lines.ts'
import type { ImageLine } from './image.ts'
import { isBranch } from './instructions.ts'
import type { Assembly } from './state.ts'
import type { Token } from './tokens.ts'

/** One instruction, on the line that it counts to. */
export interface CodePlace extends ImageLine {
  /** Jcc, LOOP, JRCXZ and their kin, which go on in one of two ways. */
  readonly isConditional: boolean
}

const UNCONDITIONAL = new Set(['JMP', 'CALL'])

/** The statement behind `times`. */
const repeatedBy = (statement: Statement | null): Statement | null =>
  statement?.kind === 'times' ? repeatedBy(statement.statement) : statement

function conditional(mnemonic: Token | undefined): boolean {
  const row = rowsByMnemonic.get(mnemonic?.text.toUpperCase() ?? '')
  return row !== undefined && isBranch(row) && !UNCONDITIONAL.has(row.mnemonic)
}

/** All instructions of a flat binary, in address order. */
export const codePlaces = (assembly: Assembly): CodePlace[] =>
  placedLines(assembly)
    .flatMap(({ item, section, offset, length, unit, source, line }): CodePlace[] => {
      const statement = repeatedBy(item.node.statement)
      if (statement?.kind !== 'instruction' || statement.mnemonic === null) return []
      const isConditional = conditional(item.line.tokens[statement.mnemonic])
      const address = assembly.sections[section]!.base + offset
      return Array.from({ length: length / unit }, (_, at) => ({ address: address + at * unit, length: unit, source, line, isConditional }))
    })
    .toSorted((a, b) => a.address - b.address)
