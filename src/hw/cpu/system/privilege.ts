/** The checks that most system instructions begin with. */

import { IOPL } from '../../../isa/status-flags.ts'
import { CR4 } from '../../../spec/cr-bits.ts'
import type { Engine } from '../engine.ts'
import { generalProtection } from '../faults.ts'
import { cplOf } from '../registers.ts'

export function requireRing0(engine: Engine): void {
  if (cplOf(engine.cpu) !== 0) throw generalProtection()
}

/** The I/O privilege level, of RFLAGS. */
export const iopl = (engine: Engine): number => (engine.flagsWord & IOPL) >> 12

/** Of virtual-8086 mode: what would tell of, or change, the interrupt flag is for IOPL 3. */
export function requireIopl3(engine: Engine): void {
  if (iopl(engine) < 3) throw generalProtection()
}

const UMIP = 1n << BigInt(CR4.UMIP)

/** SGDT, SIDT, SLDT, STR and SMSW tell a program about the system, unless user-mode instruction prevention is on. */
export function requireRing0UnderUmip(engine: Engine): void {
  if ((engine.registers.cr[4]! & UMIP) !== 0n) requireRing0(engine)
}
