/**
 * Kernel traces as events: what `trace-cmd report` prints and what `/sys/kernel/tracing/trace` holds. Made for comparing, so
 * lines of other tracers, and of events that a vtick trace does not have, are left out and counted.
 */

import { TSC_AT_START } from '../base/units.ts'
import type { TraceEvent } from '../spec/trace-events.ts'
import { isFtraceKind, parseFtraceText } from './ftrace-formats.ts'

interface LineGroups {
  readonly task: string
  readonly pid: string
  readonly cpu: string
  readonly time: string
  readonly event: string
  readonly text: string
}

/** `TASK-PID [CPU] flags seconds: event: text`; the flags are absent in some outputs. */
const LINE =
  /^\s*(?<task>.+?)-(?<pid>\d+)\s+(?:\(\s*\S+\)\s+)?\[(?<cpu>\d+)\]\s+(?:(?<flags>[^\s:]+)\s+)?(?<time>\d+(?:\.\d+)?):\s+(?<event>\w+):\s?(?<text>.*)$/

type Wording = (whole: string, ...groups: string[]) => string

/** Older wordings, brought to the current one. */
const OLDER: readonly (readonly [event: string, pattern: RegExp, current: string | Wording])[] = [
  ['kvm_entry', /^vcpu (\d+)$/, 'vcpu $1, rip 0x0'],
  ['kvm_entry', /^(vcpu \d+, rip 0x[0-9a-f]+)\[immediate exit\]$/, '$1'],
  [
    'kvm_exit',
    /^(?:vcpu (\d+) )?reason (\w+) rip (0x[0-9a-f]+) info ([0-9a-f]+) ([0-9a-f]+)$/,
    'vcpu $1 reason $2 rip $3 info1 0x$4 info2 0x$5 intr_info 0x0 error_code 0x0',
  ],
  ['kvm_inj_virq', /^irq (\d+)$/, (_, vector) => `IRQ 0x${Number(vector).toString(16)}`],
]

export interface ImportedTrace {
  readonly events: readonly TraceEvent[]
  /** Lines that were left out, by why. */
  readonly skipped: ReadonlyMap<string, number>
}

interface Clock {
  readonly tscKhz: number
  /** Seconds, or TSC with ftrace's clock x86-tsc, that is tick 0. */
  readonly start: bigint | undefined
}

const NANOSECONDS = 1_000_000_000n

/** Fractional seconds as whole nanoseconds. */
function nanoseconds(time: string): bigint {
  const [seconds, fraction = ''] = time.split('.')
  return BigInt(seconds!) * NANOSECONDS + BigInt(fraction.padEnd(9, '0').slice(0, 9))
}

function tickOf(time: string, { tscKhz, start = 0n }: Clock): number {
  if (!time.includes('.')) return Number(BigInt(time) - start)
  return Number(((nanoseconds(time) - start) * BigInt(tscKhz)) / 1_000_000n)
}

const isOurs = (task: string): boolean => task.startsWith('vtick-L')

/** Tick 0: our own traces begin at the first TSC or at 0 seconds, others at their first line. */
function startOf(time: string, task: string): bigint {
  if (!time.includes('.')) return isOurs(task) ? TSC_AT_START : BigInt(time)
  return isOurs(task) ? 0n : nanoseconds(time)
}

/** The level that our exporter says in the task's name; a kernel does not say it. */
const TASK_LEVELS: ReadonlyMap<string, 0 | 1 | 2> = new Map([
  ['vtick-L0', 0],
  ['vtick-L2', 2],
])
const levelOf = (task: string): 0 | 1 | 2 => TASK_LEVELS.get(task) ?? 1

function current(event: string, text: string): string {
  const older = OLDER.find(([name, pattern]) => name === event && pattern.test(text))
  if (older === undefined) return text
  const [, pattern, wording] = older
  return typeof wording === 'string' ? text.replace(pattern, wording) : text.replace(pattern, wording)
}

/** Reads a whole text. Times become ticks of a TSC of `tscKhz`. */
export function importFtrace(text: string, tscKhz: number): ImportedTrace {
  const events: TraceEvent[] = []
  const skipped = new Map<string, number>()
  const skip = (why: string): void => void skipped.set(why, (skipped.get(why) ?? 0) + 1)
  /** vCPUs by thread, as far as the events of a thread have said. */
  const vcpus = new Map<string, number>()
  let clock: Clock = { tscKhz, start: undefined }
  for (const line of text.split('\n')) {
    if (line.trim() === '' || line.startsWith('#') || /^cpus=\d+$/.test(line)) continue
    const { task, pid, cpu, time, event, text: says } = (LINE.exec(line)?.groups ?? {}) as Partial<LineGroups>
    if (event === undefined) {
      skip('not a line of a trace')
      continue
    }
    if (!isFtraceKind(event)) {
      skip(event)
      continue
    }
    const ofThread = vcpus.get(pid!) ?? (isOurs(task!) ? Number(cpu) : 0)
    const wording = current(event, says!.trim()).replace(/^vcpu {2}/, `vcpu ${ofThread} `)
    const fields = parseFtraceText(event, wording)
    if (fields === undefined) {
      skip(`${event} in another wording`)
      continue
    }
    if (clock.start === undefined) clock = { tscKhz, start: startOf(time!, task!) }
    if (typeof fields.cpu === 'number') vcpus.set(pid!, fields.cpu)
    const stamp = { tick: tickOf(time!, clock), cpu: ofThread, level: levelOf(task!) }
    events.push({ kind: event, ...stamp, ...fields } as unknown as TraceEvent)
  }
  return { events, skipped }
}
