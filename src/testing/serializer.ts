/**
 * How snapshots print what runs are made of: 64-bit values as grouped hexadecimal, an event and an exit as a line each, a run as how it
 * ended, what it printed and its exits.
 */

import { hex } from '../base/u64.ts'
import { TRACE_EVENTS, type TraceEvent } from '../spec/trace-events.ts'
import { eventColumns } from '../trace/format.ts'
import { groupedNumber } from '../trace/table.ts'
import { exitsText } from './check-cells.ts'
import { exitText } from './check-exits.ts'
import type { Exit } from './exits.ts'
import type { TestedRun } from './tested-run.ts'

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

const isEvent = (value: unknown): value is TraceEvent =>
  isObject(value) && 'kind' in value && 'tick' in value && typeof value.kind === 'string' && Object.hasOwn(TRACE_EVENTS, value.kind)

const isExit = (value: unknown): value is Exit =>
  isObject(value) && 'reason' in value && 'rip' in value && 'index' in value && typeof value.rip === 'bigint'

const isRun = (value: unknown): value is TestedRun => isObject(value) && 'exits' in value && 'keep' in value

/** `1 234 567 L1 exit MSR_WRITE 0x10_1a30`: the tick first. */
function eventLine(event: TraceEvent): string {
  const { level, word, detail } = eventColumns(event)
  return `${groupedNumber(event.tick)} ${level} ${word} ${detail}`.trimEnd()
}

/** A negative one is shown as its 64 bits. */
const wordText = (value: bigint): string => hex(value < 0n ? BigInt.asUintN(64, value) : value)

const runText = (run: TestedRun): string => {
  const { reason, status, why } = run.end
  const end = reason === 'exit-port' ? `ended with status ${status}` : `ended: ${[reason, why].filter(text => text !== '').join(': ')}`
  return [end, ...run.output.map(({ text }) => `| ${text}`), exitsText(run)].join('\n')
}

/** For `expect.addSnapshotSerializer`. */
export const serializer = {
  test: (value: unknown): boolean => typeof value === 'bigint' || isEvent(value) || isExit(value) || isRun(value),
  serialize(value: unknown, _config: unknown, indentation: string): string {
    if (typeof value === 'bigint') return wordText(value)
    if (isEvent(value)) return eventLine(value)
    if (isRun(value)) return runText(value).replaceAll('\n', `\n${indentation}`)
    return isExit(value) ? `${exitText(value)}, rip ${wordText(value.rip)}` : String(value)
  },
}
