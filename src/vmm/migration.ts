/**
 * A VM taken from one machine and set going in another, by the ioctls alone, as QEMU migrates one: the vCPUs between two calls of KVM_RUN,
 * the interrupt controllers and the PIT in the kernel, guest memory, and the devices of user space.
 *
 * What comes before what, where it is restored, as in QEMU's `kvm_arch_put_registers`:
 *
 *     memory          the page-directory pointers of PAE paging are read from it
 *     TSC frequency   deadlines and counts are in its units
 *     sregs, MSRs     IA32_APIC_BASE first, which says what the local APIC's registers mean; the VMX capabilities before VMX operation
 *     local APIC      its LVT entry of the timer says whether IA32_TSC_DEADLINE can be written: that MSR once more, behind it
 *     nested state    last: what L2 has of these is merged with what vmcs12 says
 */

import { PAGE_SIZE } from '../base/units.ts'
import type { BusState } from '../devices/devices.ts'
import type { Moment } from '../devices/moment.ts'
import { restoreDevices } from '../hw/devices.ts'
import type { Machine } from '../hw/machine.ts'
import type { CpuidEntry } from '../kvm/cpuid.ts'
import type { IrqchipImage } from '../kvm/irqchip.ts'
import type { MsrEntry } from '../kvm/msr-ioctls.ts'
import type { NestedStateImage } from '../kvm/nested/nested-state-ioctls.ts'
import type { PitImage } from '../kvm/pit.ts'
import type { Registers, SpecialRegisters } from '../kvm/registers.ts'
import type { Vcpu } from '../kvm/vcpu.ts'
import type { MpState, VcpuEvents } from '../kvm/vcpu-ioctls.ts'
import type { DebugRegisters } from '../kvm/xstate-ioctls.ts'
import { MTRR_INDEXES } from '../spec/memory-types.ts'
import { MSRS } from '../spec/msrs.ts'
import { createVmWithMemory, GUEST_MEMORY_AT, type KvmOptions, type Vmm } from './vmm.ts'

export interface SavedVcpu {
  readonly cpuid: readonly CpuidEntry[]
  readonly tscKhz: number
  readonly lapic: Uint8Array
  readonly msrs: readonly MsrEntry[]
  readonly sregs: SpecialRegisters
  readonly regs: Registers
  readonly xsave: Uint8Array
  readonly xcr0: bigint
  readonly debugRegs: DebugRegisters
  readonly events: VcpuEvents
  readonly mpState: MpState
  readonly nestedState: NestedStateImage
}

export interface SavedVm {
  readonly memoryMiB: number
  /** Guest memory that may not be zero, by page number. */
  readonly pages: readonly (readonly [page: number, bytes: Uint8Array])[]
  readonly irqchip: IrqchipImage
  readonly pit: PitImage
  readonly devices: { readonly bus: BusState; readonly moment: Moment }
  readonly vcpus: readonly SavedVcpu[]
}

const APIC_BASE = MSRS.MSR_IA32_APICBASE.index
const DEADLINE = MSRS.MSR_IA32_TSC_DEADLINE.index
/** MTRRs are on none of KVM's lists: who wants them knows of them. The register of their capabilities is read-only. */
const MTRRS = MTRR_INDEXES.filter(index => index !== MSRS.MSR_MTRRcap.index)

/** Between two calls of KVM_RUN. The local APIC goes first: it may let time pass, to the deadline of a timer that ran out early. */
export function saveVcpu(vcpu: Vcpu, msrIndices: readonly number[]): SavedVcpu {
  const lapic = vcpu.getLapic()
  const nestedState = vcpu.getNestedState()
  return {
    cpuid: vcpu.getCpuid2(),
    tscKhz: vcpu.getTscKhz(),
    lapic,
    msrs: vcpu.getMsrs([APIC_BASE, ...msrIndices, ...MTRRS]),
    sregs: vcpu.getSregs(),
    regs: vcpu.getRegs(),
    xsave: vcpu.getXsave(),
    xcr0: vcpu.getXcr0(),
    debugRegs: vcpu.getDebugRegs(),
    events: vcpu.getVcpuEvents(),
    mpState: vcpu.getMpState(),
    nestedState,
  }
}

export function restoreVcpu(vcpu: Vcpu, saved: SavedVcpu): void {
  vcpu.setCpuid2(saved.cpuid)
  vcpu.setTscKhz(saved.tscKhz)
  vcpu.setSregs(saved.sregs)
  setAllMsrs(vcpu, saved.msrs)
  vcpu.setLapic(saved.lapic)
  setAllMsrs(
    vcpu,
    saved.msrs.filter(({ index }) => index === DEADLINE),
  )
  vcpu.setXcr0(saved.xcr0)
  vcpu.setXsave(saved.xsave)
  vcpu.setDebugRegs(saved.debugRegs)
  vcpu.setRegs(saved.regs)
  vcpu.setNestedState(saved.nestedState)
  vcpu.setVcpuEvents(saved.events)
  vcpu.setMpState(saved.mpState)
}

/** A machine here does not have an MSR that the guest had there. */
export class MigrationError extends Error {
  override name = 'MigrationError'
}

function setAllMsrs(vcpu: Vcpu, entries: readonly MsrEntry[]): void {
  const done = vcpu.setMsrs(entries)
  const refused = entries[done]
  if (refused !== undefined)
    throw new MigrationError(
      `KVM refuses MSR 0x${refused.index.toString(16)} = 0x${refused.data.toString(16)}; restore on a machine with the same CPU features`,
    )
}

const momentOf = ({ tick, config }: Machine): Moment => ({ tick, hertz: config.tscKhz * 1000 })

/** Every vCPU is out of KVM_RUN and has nothing half done there (`immediate_exit`). */
export function saveVm(machine: Machine, { kvm, vm, vcpus }: Vmm, memoryMiB: number): SavedVm {
  const msrIndices = kvm.getMsrIndexList()
  const saved = vcpus.map(vcpu => saveVcpu(vcpu, msrIndices))
  const { memory } = machine
  const first = GUEST_MEMORY_AT / PAGE_SIZE
  const pages = memory.writtenPages().filter(page => page >= first && page < first + (memoryMiB * 2 ** 20) / PAGE_SIZE)
  return {
    memoryMiB,
    pages: pages.map(page => [page - first, memory.page(page).slice()] as const),
    irqchip: vm.getIrqchip(),
    pit: vm.getPit2(),
    devices: { bus: structuredClone(machine.bus), moment: momentOf(machine) },
    vcpus: saved,
  }
}

/** A new VM in a machine that has none, at the point where the other was. */
export function restoreVm(machine: Machine, saved: SavedVm, options: KvmOptions): Vmm {
  const vmm = createVmWithMemory(machine, saved.memoryMiB, options)
  for (const [page, bytes] of saved.pages) vmm.vm.writeMemory(page * PAGE_SIZE, bytes)
  restoreDevices(machine, saved.devices.bus, saved.devices.moment)
  vmm.vm.setIrqchip(saved.irqchip)
  vmm.vm.setPit2(saved.pit)
  for (const [index, vcpu] of vmm.vcpus.entries()) restoreVcpu(vcpu, saved.vcpus[index]!)
  return vmm
}
