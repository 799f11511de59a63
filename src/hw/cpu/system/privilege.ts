/** The checks that most system instructions begin with. */

import type { Engine } from '../engine.ts'
import { generalProtection } from '../faults.ts'
import { IOPL } from '../lazy-flags.ts'
import { cplOf } from '../registers.ts'

export function requireRing0(engine: Engine): void {
  if (cplOf(engine.cpu) !== 0) throw generalProtection()
}

/** The I/O privilege level, of RFLAGS. */
export const iopl = (engine: Engine): number => (engine.flagsWord & IOPL) >> 12
