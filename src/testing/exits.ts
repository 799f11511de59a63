/** The VM exits of a run, one by one, with what expectations ask of them: the reason, the MSR, and the source line that caused them. */

import { type Image, type ImageLine, lineAt } from '../assembler/image.ts'
import { basicExitReason, exitReasonName } from '../spec/exit-reasons.ts'
import type { EventOf, TraceEvent } from '../spec/trace-events.ts'
import { MSR_REASONS } from '../trace/exit-msrs.ts'
import type { ExitPattern } from './plan.ts'

export interface Exit extends ExitPattern {
  /** Number of its event. */
  readonly index: number
  readonly level: number
  readonly rip: bigint
}

type ExitEvent = EventOf<'kvm_exit'> | EventOf<'vmx_exit'>

const isExit = (event: TraceEvent): event is ExitEvent => event.kind === 'kvm_exit' || event.kind === 'vmx_exit'

export function exitsOf(events: readonly TraceEvent[]): readonly Exit[] {
  return events.flatMap((event, index) => {
    if (!isExit(event)) return []
    const { level, rip } = event
    const msr = msrOf(event, events, index)
    return [{ index, level, rip, reason: exitReasonName(basicExitReason(event.reason)), ...(msr === undefined ? {} : { msr }) }]
  })
}

/** KVM says the MSR between the exit and the next entry of the same CPU. */
function msrOf(exit: ExitEvent, events: readonly TraceEvent[], index: number): number | undefined {
  if (!MSR_REASONS.has(basicExitReason(exit.reason))) return undefined
  for (let next = index + 1; next < events.length; next++) {
    const event = events[next]!
    if (event.cpu !== exit.cpu) continue
    if (event.kind === 'kvm_msr') return event.index
    if (event.kind === 'kvm_entry' || event.kind === 'vmx_entry' || isExit(event)) return undefined
  }
  return undefined
}

export const matching = (exits: readonly Exit[], { reason, msr }: ExitPattern): readonly Exit[] =>
  exits.filter(exit => exit.reason === reason && (msr === undefined || exit.msr === msr))

/** Exits that happen at an instruction boundary, whatever the instruction; EPT violations come with the first touch of a page. */
const NOBODYS = new Set([
  'EXTERNAL_INTERRUPT',
  'INIT_SIGNAL',
  'SIPI_SIGNAL',
  'INTERRUPT_WINDOW',
  'NMI_WINDOW',
  'PREEMPTION_TIMER',
  'MONITOR_TRAP_FLAG',
  'NOTIFY',
  'EPT_VIOLATION',
])

/** Exits that come when the instruction is done: the saved RIP is that of the next one. */
const TRAPS = new Set(['APIC_WRITE', 'EOI_INDUCED', 'TPR_BELOW_THRESHOLD'])

/** The line of the instruction that made the exit, or before which it came. */
export const lineOfExit = ({ reason, rip }: Exit, image: Image): ImageLine | undefined =>
  lineAt(image, TRAPS.has(reason) ? Number(rip) - 1 : Number(rip))

/** Whether an instruction of the guest is the exit's cause, and that instruction is not done when it exits. */
export const isFaultLike = ({ reason }: Exit): boolean => !NOBODYS.has(reason) && !TRAPS.has(reason)

/** Whether one of the instructions on a line of the test file made the exit. `anyCause` counts those that are no instruction's doing. */
export function isAtLine(exit: Exit, image: Image, line: number, anyCause: boolean): boolean {
  if (!anyCause && NOBODYS.has(exit.reason)) return false
  const place = lineOfExit(exit, image)
  return place?.source === 0 && place.line === line
}
