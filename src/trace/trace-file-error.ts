/** The one error that reading a trace file raises: what is wrong with the file, in one line that ends with a next step. */

export type TraceFileTrouble = 'not-a-trace' | 'damaged' | 'unsupported-version'

const NEXT_STEP = {
  'not-a-trace': 'record one with `vtick run FILE --record T.vtrace`',
  damaged: 'take another copy of the file, or record the guest again',
  'unsupported-version': 'open it with the vtick that recorded it, or record the guest again',
} as const satisfies Record<TraceFileTrouble, string>

/** The file is to blame, not vtick: callers print `message` and never the stack. */
export class TraceFileError extends Error {
  override name = 'TraceFileError'
  readonly kind: TraceFileTrouble

  constructor(kind: TraceFileTrouble, what: string) {
    super(`${what}; ${NEXT_STEP[kind]}`)
    this.kind = kind
  }
}

/** A damaged file, with the place where the damage shows. */
export const damaged = (where: string, what: string): TraceFileError =>
  new TraceFileError('damaged', `the trace is damaged: ${where}: ${what}`)
