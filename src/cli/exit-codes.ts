/** Exit codes of the command line, and the error that carries one: what is wrong, and what to do next. */

export const EXIT = {
  fine: 0,
  /** The question's answer is "no": the guest failed, traces differ. */
  no: 1,
  /** Usage, or a file that is missing, unreadable or cannot be written. */
  usage: 2,
  assembly: 3,
  badTrace: 4,
  /** Triple fault, HLT with nothing left that can wake it, or KVM cannot go on. */
  guestDied: 5,
  diverged: 6,
  ourBug: 70,
  /** Nothing was asked: every test was skipped, as kvm-unit-tests says it. */
  allSkipped: 77,
  budget: 124,
  interrupted: 130,
} as const

export type ExitCode = number

/** The user can do something about it. `next` says what, as the second half of the one line that is printed. */
export class UserError extends Error {
  override name = 'UserError'
  readonly code: ExitCode

  constructor(code: ExitCode, what: string, next: string) {
    super(`${what}; ${next}`)
    this.code = code
  }
}

export const usageError = (what: string, next: string): UserError => new UserError(EXIT.usage, what, next)
