/**
 * The user space around KVM: guest memory, boot, and the devices behind KVM_EXIT_IO. Its devices' state is the machine's own bus,
 * which nothing else uses while KVM runs the CPUs.
 */

import { portRead, portWrite } from '../hw/devices.ts'
import type { Machine } from '../hw/machine.ts'
import { rootMachine } from '../hw/root-cpu.ts'
import type { KvmExit } from '../kvm/exit-reason.ts'
import { type Kvm, openKvm, type Vcpu } from '../kvm/kvm.ts'
import type { KvmParameters } from '../kvm/parameters.ts'
import { MSRS } from '../spec/msrs.ts'
import type { BootEnvironment } from './boot.ts'

/** Guest memory starts here in the machine's; below lies what a host would use. */
const GUEST_MEMORY_AT = 16 * 2 ** 20
/** For the host itself and KVM's pages. */
export const HOST_MEMORY_MIB = 32

/** What firmware leaves: locked, with VMXON allowed outside SMX; where the guest has no VMX, only locked. */
const FEATURE_CONTROL_BY_FIRMWARE = [5n, 1n]

export interface Vmm {
  readonly kvm: Kvm
  readonly vcpu: Vcpu
}

/** Creates the VM with its memory and one vCPU, and boots the guest. */
export function startVm(machine: Machine, environment: BootEnvironment, memoryMiB: number, parameters: Partial<KvmParameters>): Vmm {
  const kvm = openKvm(rootMachine(machine), parameters)
  const vm = kvm.createVm()
  vm.createIrqchip()
  vm.setUserMemoryRegion({ slot: 0, guestPhysAddr: 0, memorySize: memoryMiB * 2 ** 20, userspaceAddr: GUEST_MEMORY_AT })
  const vcpu = vm.createVcpu(0)
  for (const { address, bytes } of environment.pieces) vm.writeMemory(address, bytes)
  for (const data of FEATURE_CONTROL_BY_FIRMWARE) if (vcpu.setMsrs([{ index: MSRS.MSR_IA32_FEAT_CTL.index, data }]) === 1) break
  const { registers } = environment
  vcpu.setSregs(registers)
  const gpr = Array.from({ length: 16 }, (_, index) => (index === 4 ? registers.rsp : 0n))
  vcpu.setRegs({ rip: registers.rip, rflags: registers.rflags, gpr })
  return { kvm, vcpu }
}

/** The handles for a machine whose state was restored. */
export function attachVm(machine: Machine): Vmm {
  const kvm = openKvm(rootMachine(machine))
  return { kvm, vcpu: kvm.vm(0).vcpu(0) }
}

/** Why a VM cannot go on, in words. */
export type VmEnd = { readonly kind: 'shutdown' } | { readonly kind: 'internal-error'; readonly why: string }

/** Deals with an exit to user space. Returns null when the vCPU runs on. */
export function handleUserExit(machine: Machine, vcpu: Vcpu): VmEnd | null {
  const exit = vcpu.exit()
  switch (exit.reason) {
    case 'KVM_EXIT_IO':
      handleIo(machine, vcpu, exit)
      return null
    case 'KVM_EXIT_SHUTDOWN':
      machine.ended = { reason: 'shutdown', status: 0 }
      return { kind: 'shutdown' }
    case 'KVM_EXIT_HLT':
      vcpu.resume()
      return null
    case 'KVM_EXIT_FAIL_ENTRY':
      return { kind: 'internal-error', why: `VM entry failed with hardware reason 0x${exit.hardwareReason.toString(16)}` }
    case 'KVM_EXIT_INTERNAL_ERROR':
      return { kind: 'internal-error', why: exit.why }
  }
}

function handleIo(machine: Machine, vcpu: Vcpu, { write, port, size, data }: Extract<KvmExit, { reason: 'KVM_EXIT_IO' }>): void {
  if (!write) {
    vcpu.resume(portRead(machine, vcpu.id, port, size))
    return
  }
  portWrite(machine, vcpu.id, port, size, data)
  vcpu.resume()
}
