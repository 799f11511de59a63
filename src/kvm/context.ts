/** What every function of KVM works on during one step: the CPU behind the door, the VM, the vCPU. References hold for that step. */

import { assert } from '../base/assert.ts'
import type { RootCpu, RootMachine } from '../hw/root-cpu.ts'
import type { EventKind, EventOf, TraceEvent } from '../spec/trace-events.ts'
import type { KvmState, VcpuState, VmState } from './state.ts'

/** What a VM's own functions work on, whichever vCPU is meant. */
export interface VmContext {
  readonly machine: RootMachine
  readonly kvm: KvmState
  readonly vm: VmState
}

export interface Context extends VmContext {
  readonly cpu: RootCpu
  readonly vcpu: VcpuState
}

export const kvmStateOf = (machine: RootMachine): KvmState => machine.host as KvmState

/** The vCPU that a physical CPU carries: one each, pinned. */
export function contextOf(machine: RootMachine, cpu: number): Context {
  const kvm = kvmStateOf(machine)
  for (const vm of kvm.vms) {
    const vcpu = vm.vcpus.find(candidate => candidate.cpu === cpu)
    if (vcpu) return { machine, cpu: machine.cpus[cpu]!, kvm, vm, vcpu }
  }
  assert(false, `CPU ${cpu} carries a vCPU`)
}

/** All vCPUs of the VM. */
export const contextsOf = ({ machine, kvm, vm }: VmContext): readonly Context[] =>
  vm.vcpus.map(vcpu => ({ machine, cpu: machine.cpus[vcpu.cpu]!, kvm, vm, vcpu }))

type Details<K extends EventKind> = Omit<EventOf<K>, 'kind' | 'tick' | 'cpu' | 'level'>

/** A tracepoint of KVM: whose doing it is, the host's own or the guest's, of which the one that runs now. */
export function trace<K extends EventKind>(
  { machine, vcpu }: Context,
  kind: K,
  details: Details<K>,
  whose: 'host' | 'guest' = 'host',
): void {
  const level = whose === 'host' ? 0 : vcpu.nested.guestMode ? 2 : 1
  machine.observe?.({ kind, tick: machine.tick, cpu: vcpu.id, level, ...details } as unknown as TraceEvent)
}
