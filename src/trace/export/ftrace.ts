/**
 * A trace as the kernel's ftrace prints one, and `trace-cmd report` after it, for eyes, scripts and Perfetto that know it. Only
 * kernel tracepoints are in it. The task is `vtick-L1` or whichever level speaks, with a thread for each vCPU.
 *
 *     vtick-L1-1000    [000] d..1.     0.000148: kvm_exit: vcpu 0 reason MSR_WRITE rip 0x1000cd ...
 *
 * A microsecond is 2,000 ticks at 2 GHz; the clock `x86-tsc` of ftrace gives the TSC itself.
 */

import { TSC_AT_START } from '../../base/units.ts'
import type { TraceEvent } from '../../spec/trace-events.ts'
import { ftraceText, isFtraceEvent } from '../ftrace-formats.ts'

export type FtraceClock = 'local' | 'x86-tsc'

const FIRST_THREAD = 1000

const HEADER = `# tracer: nop
#
#                                _-----=> irqs-off/BH-disabled
#                               / _----=> need-resched
#                              | / _---=> hardirq/softirq
#                              || / _--=> preempt-depth
#                              ||| / _-=> migrate-disable
#                              |||| /     delay
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
#              | |         |   |||||     |         |`

function stamp(tick: number, clock: FtraceClock, tscKhz: number): string {
  if (clock === 'x86-tsc') return String(TSC_AT_START + BigInt(tick))
  const microseconds = Math.floor((tick * 1000) / tscKhz)
  return `${Math.floor(microseconds / 1e6)}.${String(microseconds % 1e6).padStart(6, '0')}`
}

/** The lines, without their ends. */
export function* ftraceLines(events: Iterable<TraceEvent>, tscKhz: number, clock: FtraceClock): Generator<string, void, undefined> {
  yield HEADER
  for (const event of events) {
    if (!isFtraceEvent(event)) continue
    const { tick, cpu, level, kind } = event
    const task = `vtick-L${level}-${FIRST_THREAD + cpu}`.padStart(16)
    yield `${task}    [${String(cpu).padStart(3, '0')}] d..1. ${stamp(tick, clock, tscKhz).padStart(12)}: ${kind}: ${ftraceText(event, true)}`
  }
}
