/** The interrupt that waits for a vCPU, of the 8259 pair or of its local APIC (Linux `kvm_cpu_has_interrupt`, `kvm_cpu_get_interrupt`). */

import type { Context } from './context.ts'
import { hasPicInterrupt, takePicInterrupt } from './irqchip.ts'
import { deliverableVector, takeInterrupt } from './lapic.ts'

export const hasInterrupt = (c: Context): boolean => hasPicInterrupt(c) || deliverableVector(c) >= 0

/** Its vector, which is in service now. The 8259 pair goes first. */
export const acknowledgeInterrupt = (c: Context): number => (hasPicInterrupt(c) ? takePicInterrupt(c) : takeInterrupt(c))
