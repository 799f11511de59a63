/**
 * INIT and start-up messages (Intel SDM, "Multiple-Processor (MP) Initialization"; "Processor State After Reset": the column of INIT;
 * "VM Exits Not Caused by Instructions"). They pend in the CPU's row and are looked at between instructions, before everything else.
 */

import { vmExit } from '../vmx/exit.ts'
import type { Engine } from './engine.ts'
import { VmExit } from './faults.ts'
import { initCpu } from './reset.ts'

const CS = 1

/** Deals with a pending INIT or start-up; returns whether there was one. VMX root operation holds INIT back. */
export function attendStartUp(engine: Engine): boolean {
  const { cpu } = engine
  if (cpu.initPending && cpu.vmx.mode !== 'root') {
    cpu.initPending = false
    if (cpu.vmx.mode === 'non-root' && cpu.activity !== 'wait-for-sipi') vmExit(engine, new VmExit('EXIT_REASON_INIT_SIGNAL'))
    else init(engine)
    return true
  }
  if (cpu.startUpVector < 0 || cpu.activity !== 'wait-for-sipi') return false
  const vector = cpu.startUpVector
  cpu.startUpVector = -1
  if (cpu.vmx.mode === 'non-root') vmExit(engine, new VmExit('EXIT_REASON_SIPI_SIGNAL', { qualification: BigInt(vector) }))
  else start(engine, vector)
  return true
}

function init(engine: Engine): void {
  initCpu(engine.machine, engine.index)
  engine.reload()
}

/** Real-address mode at the page that the vector names. */
function start(engine: Engine, vector: number): void {
  const { cpu, registers } = engine
  cpu.segments[CS] = { ...cpu.segments[CS]!, selector: vector << 8 }
  registers.segmentBase[CS] = BigInt(vector << 12)
  registers.rip[0] = 0n
  cpu.activity = 'active'
  engine.reload()
}
