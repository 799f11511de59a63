/** Making a vCPU look at what came for it (Linux `kvm_vcpu_kick`): an interrupt of the host's to the CPU that runs it, or on which it sleeps. */

import { MSRS } from '../spec/msrs.ts'
import type { Context } from './context.ts'

/** Linux's vector for "reschedule". */
export const RESCHEDULE_VECTOR = 0xfd

/** A vCPU that is neither in its guest nor asleep looks before its next entry anyway. */
export function kick({ machine, cpu, vcpu }: Context): void {
  if (!cpu.inGuest() && vcpu.phase !== 'polling' && vcpu.phase !== 'blocked') return
  const [sender] = machine.cpus
  sender!.wrmsr(MSRS.MSR_IA32_X2APIC_ICR.index, (BigInt(cpu.index) << 32n) | BigInt(RESCHEDULE_VECTOR))
}
