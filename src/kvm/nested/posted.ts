/** Posted interrupts of L2 (Linux `vmx_deliver_nested_posted_interrupt`): L1 notifies with an interrupt of its own. */

import type { Context } from '../context.ts'
import { readVmcs12Number, vmcs12Has } from './vmcs12.ts'

/** Whether an interrupt of L1's is a notification of posted interrupts to the L2 that runs. */
export const isPostedNotification = (c: Context, vector: number): boolean =>
  c.vcpu.nested.guestMode && vmcs12Has(c, 'PIN_BASED_POSTED_INTR') && readVmcs12Number(c, 'POSTED_INTR_NV') === vector
