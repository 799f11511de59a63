/** How a guest's run ended: the exit code, and for every end but a good one a line that says why and what to do next. */

import type { Image } from '../assembler/image.ts'
import { unreachable } from '../base/assert.ts'
import { instructionsOf } from '../session/guest-run.ts'
import type { Recording } from '../session/record.ts'
import { exceptionName } from '../trace/format.ts'
import { groupedNumber } from '../trace/table.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import { type GuestPlace, placeOf, placeText } from './guest-place.ts'
import type { GuestWatch } from './guest-watch.ts'

export interface Verdict {
  readonly code: ExitCode
  /** Empty when all is well. */
  readonly words: string
}

export interface VerdictRequest {
  /** The program as the user named it. */
  readonly name: string
  readonly image: Image
  readonly recording: Recording
  readonly watch: GuestWatch
  /** The file it was recorded to. */
  readonly trace?: string
  /** QEMU's (v << 1) | 1 for the status that the guest wrote. */
  readonly guestStatus: boolean
}

export function verdictOf(request: VerdictRequest): Verdict {
  const { name, recording, guestStatus } = request
  const { end, guest } = recording
  if (end.reason === 'exit-port') {
    const words = failureText(request)
    if (guestStatus) return { code: ((end.status << 1) | 1) & 0xff, words }
    return { code: words === '' ? EXIT.fine : EXIT.no, words }
  }
  if (end.reason === 'power-off') {
    const words = failureText(request)
    return { code: words === '' ? EXIT.fine : EXIT.no, words }
  }
  const place = placeOf(guest)
  switch (end.reason) {
    case 'reset':
      return {
        code: EXIT.guestDied,
        words: `${name}: the guest reset the machine by ${end.why}, and a run ends there; end it well with a write of 0 to port 0xf4`,
      }
    case 'shutdown':
      return { code: EXIT.guestDied, words: `${name}: ${shutdownText(request, place)}` }
    case 'halted':
      return { code: EXIT.guestDied, words: `${name}: ${haltText(request, place)}` }
    case 'exception-loop':
      return {
        code: EXIT.guestDied,
        words: `${name}: exceptions without end, the last of ${end.why}, at ${placeText(request.image, place.rip)}: the first instruction of a handler faults; ${lookAt(request)}`,
      }
    case 'unsupported':
      return {
        code: EXIT.guestDied,
        words: `${name}: ${end.why} is not supported, at ${placeText(request.image, place.rip)}; the emulated CPU refuses it: do without, for example by switching stacks in software`,
      }
    case 'internal-error':
      return {
        code: EXIT.guestDied,
        words: `${name}: KVM cannot go on at ${placeText(request.image, place.rip)}: ${end.why}; ${lookAt(request)}`,
      }
    case 'budget': {
      const used = groupedNumber(instructionsOf(guest))
      const words = `${name}: no end after ${used} instructions, at ${placeText(request.image, place.rip)}; give it more with --max-insns, or end it with \`exit 0\``
      return { code: EXIT.budget, words }
    }
    default:
      return unreachable(end.reason)
  }
}

/** The next step of somebody whose guest went wrong. */
const lookAt = ({ name, trace }: VerdictRequest): string =>
  trace === undefined
    ? `see what led there: \`vtick run ${name} --record T.vtrace\`, then \`vtick stat T.vtrace\``
    : `see what led there: \`vtick stat ${trace}\``

function failureText(request: VerdictRequest): string {
  const { name, recording, watch } = request
  const { status } = recording.end
  const said = [
    ...(status === 0 ? [] : [`wrote ${status} to port 0xf4`]),
    ...(watch.failure === null ? [] : [`printed "${watch.failure}"`]),
  ]
  return said.length === 0 ? '' : `${name}: the guest ${said.join(' and ')}; ${lookAt(request)}`
}

function shutdownText(request: VerdictRequest, { rip, idtLimit }: GuestPlace): string {
  const { image, watch } = request
  const { shutdown, exception } = watch
  const during = shutdown === null ? '' : ` while delivering ${exceptionName(shutdown.vector)}`
  const before = exception === null ? '' : `, after ${exceptionName(exception.vector)} at ${placeText(image, exception.rip)}`
  const next =
    idtLimit === 0
      ? 'it has no IDT, so its first exception is its last: give it one with `load_idt` and `set_gate` of guest.inc'
      : 'its IDT has no working gate for the exception: set one with `set_gate` of guest.inc'
  return `triple fault at ${placeText(image, shutdown?.rip ?? rip)}${during}${before}; ${next}`
}

function haltText({ image }: VerdictRequest, place: GuestPlace): string {
  const at = placeText(image, place.rip - 1n) // RIP is behind the HLT
  return place.interruptsOn
    ? `the guest halts for ever at ${at}: no timer is armed that could wake it; arm one before HLT, or end the run with \`exit 0\``
    : `the guest halts for ever at ${at}: interrupts are off (IF=0); \`sti\` before HLT, or end the run with \`exit 0\``
}
