/**
 * Hardware task switches (Intel SDM, "Task Switching"): in VMX non-root operation a VM exit, which is all that the silicon has to do
 * there; elsewhere this CPU refuses them by name.
 */

import type { Engine } from '../engine.ts'
import { Refusal, VmExit } from '../faults.ts'

/** Bits 31:30 of the exit qualification (SDM, "Exit Qualification for Task Switches"). */
const SOURCE = { call: 0, iret: 1, jump: 2, gate: 3 } as const

export function taskSwitch(engine: Engine, source: keyof typeof SOURCE, selector: number): never {
  if (engine.cpu.vmx.mode !== 'non-root') throw new Refusal('hardware task switch')
  throw new VmExit('EXIT_REASON_TASK_SWITCH', {
    byInstruction: source !== 'gate',
    qualification: BigInt(selector) | (BigInt(SOURCE[source]) << 30n),
  })
}
