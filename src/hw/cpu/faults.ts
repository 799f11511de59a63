/**
 * How an instruction stops short: a fault of the guest, or a VM exit. Neither is an `Error`; both are caught in one place, the
 * engine's step. At that point the registers are those of the instruction's start.
 */

import type { ExitReason } from '../../spec/exit-reasons.ts'

export const VECTOR = {
  DE: 0,
  DB: 1,
  NMI: 2,
  BP: 3,
  OF: 4,
  BR: 5,
  UD: 6,
  NM: 7,
  DF: 8,
  TS: 10,
  NP: 11,
  SS: 12,
  GP: 13,
  PF: 14,
  MF: 16,
  AC: 17,
  MC: 18,
} as const

/** An exception. `errorCode` is null where the vector pushes none; `cr2` is the address of a page fault, or what a debug exception sets in DR6. */
export class Fault {
  readonly vector: number
  readonly errorCode: number | null
  readonly cr2: bigint
  constructor(vector: number, errorCode: number | null, cr2 = 0n) {
    this.vector = vector
    this.errorCode = errorCode
    this.cr2 = cr2
  }
}

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
