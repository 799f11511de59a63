/** `vtick stat`: the VM exits of a trace, with the columns of `perf kvm stat`; of two traces, what changed. */

import { exitStatisticsOf, type StatGroup, statisticsBy } from '../trace/statistics.ts'
import {
  latencyHistogram,
  latencyHistogramText,
  statChanges,
  statChangesJson,
  statChangesText,
  statisticsJson,
  statisticsText,
} from '../trace/statistics-text.ts'
import { paintTable } from './colour.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import type { ReadingOptions, Terminal } from './terminal.ts'
import { openNamedTrace } from './trace-argument.ts'

export interface StatCommandOptions extends ReadingOptions {
  readonly by: StatGroup
  /** The other trace. */
  readonly vs?: string
}

export function statCommand(terminal: Terminal, file: string | undefined, { by, vs, json = false }: StatCommandOptions): ExitCode {
  const statisticsOf = (name: string | undefined) => {
    const { reader } = openNamedTrace(terminal, name)
    try {
      const byReason = exitStatisticsOf(reader)
      return { rows: by === 'reason' ? byReason : statisticsBy(reader, by), histogram: latencyHistogram(byReason) }
    } finally {
      reader.close()
    }
  }
  const { rows, histogram } = statisticsOf(file)
  const print = (text: string): void => terminal.print(paintTable(text, terminal.colours))
  if (vs !== undefined) {
    const changes = statChanges(rows, statisticsOf(vs).rows)
    if (json) terminal.print(JSON.stringify(statChangesJson(changes), null, 2))
    else print(statChangesText(changes))
    return EXIT.fine
  }
  if (json) {
    terminal.print(JSON.stringify({ ...statisticsJson(rows), histogram }, null, 2))
    return EXIT.fine
  }
  print(statisticsText(rows))
  if (histogram.length > 0) print(`\n${latencyHistogramText(histogram)}`)
  return EXIT.fine
}
