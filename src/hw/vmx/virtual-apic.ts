/**
 * The virtual-APIC page and virtual-interrupt delivery (Intel SDM, "APIC Virtualization and Virtual Interrupts").
 */

import {
  type ApicPage,
  clearVector,
  highestVector,
  processorPriority,
  setVector,
  VECTOR_IRR,
  VECTOR_ISR,
} from '../../devices/apic-vectors.ts'
import { APIC_REGISTERS } from '../../spec/apic-registers.ts'
import type { Engine } from '../cpu/engine.ts'
import { VmExit } from '../cpu/faults.ts'
import { guestHas } from './state.ts'
import { readField } from './vmcs.ts'

const VTPR = APIC_REGISTERS.APIC_TASKPRI.offset
const VPPR = APIC_REGISTERS.APIC_PROCPRI.offset

export function virtualPage(engine: Engine): ApicPage {
  const { memory } = engine
  const base = engine.cpu.vmx.controls.virtualApicPage
  return { read: offset => memory.read32(base + offset), write: (offset, value) => memory.write32(base + offset, value) }
}

/** VPPR from VTPR and SVI. */
export function virtualizePpr(engine: Engine): void {
  const page = virtualPage(engine)
  page.write(VPPR, processorPriority(page.read(VTPR), engine.cpu.vmx.svi))
}

/** Whether a virtual interrupt is recognised: RVI's class above VPPR's, and no interrupt-window exiting. */
export function evaluateVirtualInterrupts(engine: Engine): void {
  const { vmx } = engine.cpu
  const priority = virtualPage(engine).read(VPPR)
  vmx.virtualInterruptRecognised = !guestHas(vmx, 'CPU_BASED_INTR_WINDOW_EXITING') && vmx.rvi >> 4 > priority >> 4
  engine.attention = true
}

export function setVirtualRequest(engine: Engine, vector: number): void {
  setVector(virtualPage(engine), VECTOR_IRR, vector)
  engine.cpu.vmx.rvi = Math.max(engine.cpu.vmx.rvi, vector)
}

/** Takes RVI for delivery: from request to service. Its vector. */
export function takeVirtualInterrupt(engine: Engine): number {
  const { vmx } = engine.cpu
  const page = virtualPage(engine)
  const vector = vmx.rvi
  setVector(page, VECTOR_ISR, vector)
  vmx.svi = vector
  page.write(VPPR, vector & 0xf0)
  clearVector(page, VECTOR_IRR, vector)
  vmx.rvi = Math.max(0, highestVector(page, VECTOR_IRR))
  vmx.virtualInterruptRecognised = false
  return vector
}

const EOI_BITMAPS = ['EOI_EXIT_BITMAP0', 'EOI_EXIT_BITMAP1', 'EOI_EXIT_BITMAP2', 'EOI_EXIT_BITMAP3'] as const

/** EOI virtualization; exits where the EOI-exit bitmap asks for it, with the instruction complete. */
export function virtualEoi(engine: Engine): void {
  const { vmx } = engine.cpu
  const page = virtualPage(engine)
  const vector = vmx.svi
  clearVector(page, VECTOR_ISR, vector)
  vmx.svi = Math.max(0, highestVector(page, VECTOR_ISR))
  virtualizePpr(engine)
  const bitmap = readField(engine.memory, vmx.currentVmcs, EOI_BITMAPS[vector >> 6]!)
  if (((bitmap >> BigInt(vector & 63)) & 1n) === 1n)
    throw new VmExit('EXIT_REASON_EOI_INDUCED', { qualification: BigInt(vector), trapLike: true })
  evaluateVirtualInterrupts(engine)
}

export const isTprBelowThreshold = (engine: Engine): boolean =>
  ((virtualPage(engine).read(VTPR) >> 4) & 0xf) < (engine.cpu.vmx.tprThreshold & 0xf)

/** TPR virtualization: with virtual-interrupt delivery priorities follow; without, an exit when TPR falls below the threshold. */
export function virtualTpr(engine: Engine): void {
  const { vmx } = engine.cpu
  if (guestHas(vmx, 'SECONDARY_EXEC_VIRTUAL_INTR_DELIVERY')) {
    virtualizePpr(engine)
    evaluateVirtualInterrupts(engine)
  } else if (isTprBelowThreshold(engine)) throw new VmExit('EXIT_REASON_TPR_BELOW_THRESHOLD', { trapLike: true })
}

export function virtualSelfIpi(engine: Engine, vector: number): void {
  setVirtualRequest(engine, vector)
  evaluateVirtualInterrupts(engine)
}

/** VM entry with virtual-interrupt delivery: RVI and SVI from the guest interrupt status. */
export function loadInterruptStatus(engine: Engine, status: number): void {
  const { vmx } = engine.cpu
  vmx.rvi = status & 0xff
  vmx.svi = (status >> 8) & 0xff
  virtualizePpr(engine)
  evaluateVirtualInterrupts(engine)
}
