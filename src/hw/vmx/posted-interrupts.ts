/**
 * Posted-interrupt processing (Intel SDM, "Posted-Interrupt Processing"): the physical interrupt has been acknowledged and ended;
 * what the descriptor holds becomes virtual interrupt requests.
 *
 *     255:0 requests   256 outstanding notification   257 suppress   279:272 vector   319:288 destination
 */

import type { Engine } from '../cpu/engine.ts'
import { evaluateVirtualInterrupts, setVirtualRequest } from './virtual-apic.ts'

const OUTSTANDING = 1
const CONTROL_AT = 32

export function processPostedInterrupts(engine: Engine): void {
  const { memory } = engine
  const descriptor = engine.cpu.vmx.controls.postedDescriptor
  memory.write32(descriptor + CONTROL_AT, memory.read32(descriptor + CONTROL_AT) & ~OUTSTANDING)
  for (let word = 0; word < 8; word++) {
    const requests = memory.read32(descriptor + word * 4)
    if (requests === 0) continue
    memory.write32(descriptor + word * 4, 0)
    for (let position = 0; position < 32; position++)
      if (((requests >>> position) & 1) === 1) setVirtualRequest(engine, word * 32 + position)
  }
  evaluateVirtualInterrupts(engine)
}
