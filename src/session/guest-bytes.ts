/** The memory of a running guest by its own physical addresses, for who measures it from outside. */

import { hostAddress } from '../kvm/mmu.ts'
import type { KvmState } from '../kvm/state.ts'
import { HYPERVISOR_MEMORY_MIB } from '../vmm/nested-guest.ts'
import type { GuestRun } from './guest-run.ts'

/** A quadword of the guest's memory: of L2's, where the stock guest hypervisor runs it. */
export function guestQuadword({ config, machine }: GuestRun, physical: number): bigint {
  const address = physical + (config.hypervisor === null ? 0 : HYPERVISOR_MEMORY_MIB * 2 ** 20)
  return machine.memory.read64(config.mode === 'bare' ? physical : hostAddress((machine.host as KvmState).vms[0]!, address))
}
