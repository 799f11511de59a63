/** The check that most system instructions begin with. */

import type { Engine } from '../engine.ts'
import { generalProtection } from '../faults.ts'
import { cplOf } from '../registers.ts'

export function requireRing0(engine: Engine): void {
  if (cplOf(engine.cpu) !== 0) throw generalProtection()
}
