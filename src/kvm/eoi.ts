/** The end of an interrupt at a local APIC, which the I/O APIC hears of when it was level-triggered; and which of them the CPU must tell KVM. */

import { hasVector, VECTOR_TMR } from '../devices/apic-vectors.ts'
import { levelVectors } from '../devices/ioapic.ts'
import type { VmcsFieldName } from '../spec/vmcs-fields.ts'
import { type Context, trace } from './context.ts'
import { endLevelInterrupt } from './irqchip.ts'
import { apicPage, highestInService, isApicvActive, leaveService } from './lapic.ts'

export function endOfInterrupt(c: Context): void {
  const vector = highestInService(c)
  if (vector < 0) return
  leaveService(c, vector)
  endedInterrupt(c, vector)
}

/** The vector is out of service. */
export function endedInterrupt(c: Context, vector: number): void {
  trace(c, 'kvm_eoi', { apicid: c.vcpu.id, vector })
  if (hasVector(apicPage(c), VECTOR_TMR, vector)) endLevelInterrupt(c, vector)
}

const BITMAPS: readonly VmcsFieldName[] = ['EOI_EXIT_BITMAP0', 'EOI_EXIT_BITMAP1', 'EOI_EXIT_BITMAP2', 'EOI_EXIT_BITMAP3']

/** The EOIs that must not stay in the CPU: those of vectors with level-triggered entries (Linux `vcpu_load_eoi_exitmap`). */
export function loadEoiExitBitmap(c: Context): void {
  const { cpu, vcpu, vm } = c
  if (!vcpu.scanIoApic || vcpu.nested.guestMode) return
  vcpu.scanIoApic = false
  if (!isApicvActive(c) || vm.chips === null) return
  const words = [0n, 0n, 0n, 0n]
  for (const vector of levelVectors(vm.chips.ioApic)) words[vector >> 6]! |= 1n << BigInt(vector & 63)
  for (const [index, field] of BITMAPS.entries()) cpu.vmwrite(field, words[index]!)
}
