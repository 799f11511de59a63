/** `vtick bench`: how late timers are, in simulated time, on the machine that the cost table describes. */

import { defaultCosts } from '../hw/time/costs.ts'
import type { KvmParameters } from '../kvm/parameters.ts'
import { measure } from '../latency/measure.ts'
import { measurementJson, measurementText, tablesJson, tablesText } from '../latency/report.ts'
import { configOf, imageOf, type LatencyOptions, type LatencySetting } from '../latency/setting.ts'
import { measureTables } from '../latency/tables.ts'
import { EXIT, type ExitCode, UserError } from './exit-codes.ts'
import { runSlices } from './slices.ts'
import type { ReadingOptions, Terminal } from './terminal.ts'

export interface BenchOptions extends ReadingOptions {
  readonly durationMs: number
  /** Absent: none. */
  readonly jitterSeed?: number
}

export interface TimerBenchOptions extends BenchOptions {
  readonly level?: 'L1' | 'L2'
  readonly wait?: 'hlt' | 'busy'
  readonly param?: Partial<KvmParameters>
  readonly periodNs: number
}

const optionsOf = ({ durationMs, jitterSeed }: BenchOptions, periodNs: number): LatencyOptions => ({
  periodNs,
  durationMs,
  costs: defaultCosts(),
  jitterSeed: jitterSeed ?? null,
})

const interruption = (): UserError => new UserError(EXIT.interrupted, 'interrupted', 'a shorter --duration-ms is done sooner')

/** `timer-latency` and `cyclictest`: one measurement. */
export async function timerBenchCommand(
  terminal: Terminal,
  guest: LatencySetting['guest'],
  { level = 'L1', wait = 'hlt', param = {}, json, ...rest }: TimerBenchOptions,
): Promise<ExitCode> {
  const setting: LatencySetting = { guest, level, wait, parameters: param }
  const options = optionsOf(rest, rest.periodNs)
  const image = imageOf(setting, options)
  const { value } = await runSlices(terminal, measure(configOf(setting, options), image), { doing: `measuring ${guest} at ${level}` })
  if (value === null) throw interruption()
  if (!/^SUMMARY: \d+ tests$/m.test(value.console)) {
    terminal.print(value.console.trimEnd())
    throw new UserError(EXIT.no, `${guest} failed its own checks`, 'a longer --period-ns gives each timer the time that it takes')
  }
  terminal.print(
    json === true ? JSON.stringify(measurementJson(setting, options, value), null, 2) : measurementText(setting, options, value),
  )
  return EXIT.fine
}

/** `tables`: all rows of the series' two tables. */
export async function tablesBenchCommand(terminal: Terminal, { json, ...rest }: BenchOptions): Promise<ExitCode> {
  const { value } = await runSlices(terminal, measureTables(optionsOf(rest, TABLE_PERIOD_NS)), { doing: 'measuring all rows' })
  if (value === null) throw interruption()
  terminal.print(json === true ? JSON.stringify(tablesJson(value), null, 2) : tablesText(value))
  return EXIT.fine
}

/** The period of the series' timer_latency. */
const TABLE_PERIOD_NS = 10_000
