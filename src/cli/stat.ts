/** `vtick stat`: the VM exits of a trace, with the columns of `perf kvm stat`. */

import { EXIT_KINDS, exitStatistics, statisticsJson, statisticsText } from '../trace/statistics.ts'
import { paintTable } from './colour.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import type { Terminal } from './terminal.ts'
import { openNamedTrace } from './trace-argument.ts'

export function statCommand(terminal: Terminal, file: string | undefined, { json = false }: { readonly json?: boolean }): ExitCode {
  const { reader } = openNamedTrace(terminal, file)
  try {
    const rows = exitStatistics(reader.eventsOfKinds(EXIT_KINDS))
    terminal.print(json ? JSON.stringify(statisticsJson(rows), null, 2) : paintTable(statisticsText(rows), terminal.colours))
    return EXIT.fine
  } finally {
    reader.close()
  }
}
