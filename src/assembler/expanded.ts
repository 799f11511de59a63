/**
 * The source as the preprocessor leaves it: files put in, macros expanded, conditions decided. `%line` directives say where the lines
 * stood, as NASM's -E does.
 */

import type { ImageSource } from './image.ts'
import type { LogicalLine } from './preprocessor/lines.ts'
import { textOf } from './tokens.ts'

export function renderExpanded(lines: readonly LogicalLine[], sources: readonly ImageSource[]): string {
  const out: string[] = []
  let at = { source: -1, line: 0 }
  for (const { tokens, source, line } of lines) {
    if (tokens.length === 0) continue
    if (source !== at.source || line !== at.line) out.push(`%line ${line}+1 ${sources[source]?.file ?? ''}`)
    const isLabel = tokens[0]!.column === 0
    out.push(`${isLabel ? '' : '        '}${textOf(tokens)}`)
    at = { source, line: line + 1 }
  }
  return out.length === 0 ? '' : `${out.join('\n')}\n`
}
