/** `vtick check`: whether a trace is whole: every checksum, the chain, the spelling of every block, and everything decoded. */

import { groupedNumber } from '../trace/table.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import type { ReadingOptions, Terminal } from './terminal.ts'
import { openNamedTrace } from './trace-argument.ts'

export function checkCommand(terminal: Terminal, file: string | undefined, { json = false }: ReadingOptions): ExitCode {
  const { name, reader } = openNamedTrace(terminal, file)
  try {
    reader.verify()
    const { identity, count, truncated } = reader
    const keyframes = reader.keyframeCount
    if (json) terminal.print(JSON.stringify({ version: 1, whole: truncated === undefined, events: count, keyframes, identity }, null, 2))
    else if (truncated === undefined)
      terminal.print(
        `${name}: ${terminal.colours.good('whole')}: ${groupedNumber(count)} events, ${keyframes} keyframes, identity ${identity}`,
      )
    return truncated === undefined ? EXIT.fine : EXIT.badTrace
  } finally {
    reader.close()
  }
}
