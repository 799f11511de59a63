/**
 * Which ports a program may use (Intel SDM, "I/O Privilege Level"; "I/O Permission Bit Map"): all at a CPL up to IOPL, else those whose
 * bits are 0 in the bitmap of the task-state segment. Virtual-8086 mode always asks the bitmap.
 */

import { bitField } from '../../../base/u64.ts'
import type { Engine } from '../engine.ts'
import { generalProtection } from '../faults.ts'
import { cplOf, TR } from '../registers.ts'
import { PRIVILEGE } from '../tlb.ts'
import { SYSTEM_TYPE, tableAddress } from './descriptor.ts'
import { iopl } from './privilege.ts'

/** Where the TSS says at which of its offsets the bitmap begins. */
const MAP_BASE = 0x66

export function requirePort(engine: Engine, port: number, bytes: number): void {
  if (engine.mode === 'real' || (engine.mode !== 'virtual-8086' && cplOf(engine.cpu) <= iopl(engine))) return
  const { accessRights } = engine.cpu.segments[TR]!
  if ((accessRights & 0x1001f) !== SYSTEM_TYPE.busyTss) throw generalProtection()
  const at = Number(taskWord(engine, MAP_BASE)) + (port >> 3)
  // Two bytes are read whatever the port: an access may cross into the second.
  if (bitField(taskWord(engine, at), port & 7, bytes) !== 0) throw generalProtection()
}

/** 16 bits of the TSS; #GP beyond its limit. */
function taskWord(engine: Engine, offset: number): bigint {
  if (offset + 1 > engine.cpu.segments[TR]!.limit) throw generalProtection()
  return engine.loadLinear(16, tableAddress(engine, engine.registers.segmentBase[TR]!, offset), PRIVILEGE.supervisor)
}
