/** The VM exits of a run, one by one, with what expectations ask of them: the reason, the MSR, and the source line that caused them. */

import { type Image, type ImageLine, lineAt } from '../assembler/image.ts'
import { exitReasonName } from '../spec/exit-reasons.ts'
import type { TraceEvent } from '../spec/trace-events.ts'
import { exitAddress, exitSpans, isTrap } from '../trace/exit-walk.ts'
import type { ExitPattern } from './plan.ts'

export interface Exit extends ExitPattern {
  /** Number of its event. */
  readonly index: number
  readonly level: number
  readonly rip: bigint
  /** Inside the instruction that made it, or before which it came. */
  readonly address: bigint
  /** It comes when the instruction is done. */
  readonly isTrap: boolean
}

export const exitsOf = (events: readonly TraceEvent[]): readonly Exit[] =>
  [...exitSpans(events.entries())]
    .sort((a, b) => a.index - b.index)
    .map(span => {
      const { index, level, rip, reason, msr } = span
      const made = { index, level, rip, reason: exitReasonName(reason), address: exitAddress(span), isTrap: isTrap(reason) }
      return msr === undefined ? made : { ...made, msr }
    })

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

/** The line of the instruction that made the exit, or before which it came. */
export const lineOfExit = ({ address }: Exit, image: Image): ImageLine | undefined => lineAt(image, Number(address))

/** Whether an instruction of the guest is the exit's cause, and that instruction is not done when it exits. */
export const isFaultLike = (exit: Exit): boolean => !NOBODYS.has(exit.reason) && !exit.isTrap

/** Whether one of the instructions on a line of the test file made the exit. `anyCause` counts those that are no instruction's doing. */
export function isAtLine(exit: Exit, image: Image, line: number, anyCause: boolean): boolean {
  if (!anyCause && NOBODYS.has(exit.reason)) return false
  const place = lineOfExit(exit, image)
  return place?.source === 0 && place.line === line
}
