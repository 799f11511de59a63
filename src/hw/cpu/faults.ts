/**
 * How an instruction stops short: a fault of the guest, or a VM exit. Neither is an `Error`; both are caught in one place, the
 * engine's step. At that point the registers are those of the instruction's start.
 */

import { Fault, VECTOR } from '../../isa/fault.ts'
import type { ExitReason } from '../../spec/exit-reasons.ts'

export { Fault, VECTOR }

export const generalProtection = (errorCode = 0): Fault => new Fault(VECTOR.GP, errorCode)
export const undefinedOpcode = (): Fault => new Fault(VECTOR.UD, null)

/** The guest asks for what this CPU refuses by name: the machine ends and says so. */
export class Refusal {
  readonly what: string
  constructor(what: string) {
    this.what = what
  }
}

/** What a VM exit reports besides what the CPU adds by itself. */
export interface ExitDetails {
  readonly qualification?: bigint
  readonly guestLinear?: bigint
  readonly guestPhysical?: number
  /** VM-exit interruption information and error code. */
  readonly interruption?: number
  readonly interruptionError?: number
  readonly instructionInformation?: number
  /** Set where the exit is due to an instruction, so that its length is reported. */
  readonly byInstruction?: boolean
  /** The instruction is complete: RIP is already past it (trap-like exits such as APIC-write). */
  readonly trapLike?: boolean
}

export class VmExit {
  readonly reason: ExitReason
  readonly details: ExitDetails
  constructor(reason: ExitReason, details: ExitDetails = {}) {
    this.reason = reason
    this.details = details
  }
}
