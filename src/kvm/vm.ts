/** A VM as user space holds it: the ioctls of its file descriptor (Linux `virt/kvm/kvm_main.c`, `kvm_vm_ioctl`). */

import { PAGE_SIZE } from '../base/units.ts'
import type { RootMachine } from '../hw/root-cpu.ts'
import { inhibitBit } from './apicv.ts'
import { contextsOf, kvmStateOf, type VmContext } from './context.ts'
import { KvmError } from './error.ts'
import { getIrqchip, type IrqchipImage, type IrqRoute, newIrqchip, setIrq, setIrqchip } from './irqchip.ts'
import { allocateHostPage, hostAddress } from './mmu.ts'
import { type MsrExitReason, type MsrFilter, setMsrFilter } from './msr-filter.ts'
import { msrFilterChanged } from './nested/msr-bitmap.ts'
import { getPit, type KvmPit, newKvmPit, type PitImage, pitChanged, setPit } from './pit.ts'
import type { VmState } from './state.ts'
import { createVcpu, type Vcpu, vcpuHandle } from './vcpu.ts'
import { canWake } from './wake-up.ts'

export interface Vm {
  /** Local APICs, an I/O APIC and the 8259 pair in the kernel. */
  createIrqchip(): void
  /** The 8254 in the kernel. */
  createPit2(): void
  getPit2(): PitImage
  /** The whole state, or KVM_PIT_FLAGS_HPET_LEGACY alone: whether user space's HPET drives line 0 instead. */
  setPit2(state: PitImage | Pick<KvmPit, 'hpetLegacy'>): void
  getIrqchip(): IrqchipImage
  setIrqchip(image: IrqchipImage): void
  /** Where each line is wired to, instead of what was so before. */
  setGsiRouting(routes: readonly IrqRoute[]): void
  /** KVM_IRQ_LINE: user space drives the line high or low. */
  irqLine(gsi: number, high: boolean): void
  /** Whether a vCPU that is halted could go on by itself, or by one of these lines: if not, the VM waits for ever. */
  canWake(lines: number): boolean
  /** KVM_ENABLE_CAP of KVM_CAP_X86_USER_SPACE_MSR. */
  enableUserSpaceMsr(reasons: readonly MsrExitReason[]): void
  /** KVM_X86_SET_MSR_FILTER; one without ranges that allows ends filtering. */
  setMsrFilter(filter: MsrFilter): void
  setUserMemoryRegion(region: MemoryRegion): void
  createVcpu(id: number): Vcpu
  vcpu(id: number): Vcpu
  /** Guest memory, as user space has it mapped; EFAULT outside the slots. */
  writeMemory(guestPhysical: number, bytes: Uint8Array): void
}

export interface MemoryRegion {
  readonly slot: number
  readonly guestPhysAddr: number
  readonly memorySize: number
  readonly userspaceAddr: number
  /** KVM_MEM_READONLY: writes come to user space. */
  readonly readonly?: boolean
}

export function createVm(machine: RootMachine): Vm {
  const kvm = kvmStateOf(machine)
  const vm: VmState = {
    irqchip: false,
    chips: null,
    pit: null,
    apicvInhibits: inhibitBit(kvm.parameters.enable_apicv ? 'absent' : 'disabled'),
    apicAccessPage: -1,
    slots: [],
    eptRoot: allocateHostPage(machine),
    vcpus: [],
  }
  kvm.vms.push(vm)
  return vmHandle(machine, kvm.vms.length - 1)
}

export function vmHandle(machine: RootMachine, index: number): Vm {
  const state = (): VmState => {
    const vm = kvmStateOf(machine).vms[index]
    if (vm === undefined) throw new KvmError('ENOENT', `there is no VM ${index}`)
    return vm
  }
  const context = (): VmContext => ({ machine, kvm: kvmStateOf(machine), vm: state() })
  return {
    createIrqchip: () => {
      if (state().irqchip) throw new KvmError('EEXIST', 'the VM has an in-kernel interrupt controller already')
      if (state().vcpus.length > 0) throw new KvmError('EINVAL', 'the interrupt controller comes before the vCPUs')
      state().apicvInhibits &= ~inhibitBit('absent')
      Object.assign(state(), { irqchip: true, chips: newIrqchip(), apicAccessPage: allocateHostPage(machine) })
    },
    createPit2: () => createPit2(context()),
    getPit2: () => {
      requirePit(state())
      return getPit(context())
    },
    setPit2: given => {
      const pit = requirePit(state())
      if ('state' in given) return setPit(context(), given)
      pit.hpetLegacy = given.hpetLegacy
      pitChanged(context())
    },
    getIrqchip: () => getIrqchip(requireChips(state())),
    setIrqchip: image => {
      requireChips(state())
      setIrqchip(context(), image)
    },
    setGsiRouting: routes => {
      requireChips(state()).routes = routes.map(route => ({ ...route }))
    },
    irqLine: (gsi, high) => {
      requireChips(state())
      setIrq(context(), 'user', gsi, high)
    },
    canWake: lines => canWake(context(), lines),
    enableUserSpaceMsr: reasons => {
      state().userSpaceMsr = [...reasons]
    },
    setMsrFilter: filter => {
      setMsrFilter(state(), filter)
      for (const c of contextsOf(context())) msrFilterChanged(c)
    },
    setUserMemoryRegion: region => setUserMemoryRegion(machine, state(), region),
    createVcpu: id => createVcpu(machine, index, state(), id),
    vcpu: id => vcpuHandle(machine, index, id),
    writeMemory: (guestPhysical, bytes) => writeMemory(machine, state(), guestPhysical, bytes),
  }
}

function requireChips(vm: VmState): NonNullable<VmState['chips']> {
  if (vm.chips === null) throw new KvmError('ENXIO', 'the VM has no in-kernel interrupt controller')
  return vm.chips
}

function requirePit(vm: VmState): KvmPit {
  if (vm.pit === null) throw new KvmError('ENXIO', 'the VM has no in-kernel PIT')
  return vm.pit
}

/** Its output is high, and that is no edge. */
function createPit2(v: VmContext): void {
  const chips = requireChips(v.vm)
  if (v.vm.pit !== null) throw new KvmError('EEXIST', 'the VM has an in-kernel PIT already')
  v.vm.pit = newKvmPit()
  setIrq(v, 'pit', 0, true)
  for (const pic of chips.pics) pic.requests = 0
}

function setUserMemoryRegion(machine: RootMachine, vm: VmState, region: MemoryRegion): void {
  const { slot, guestPhysAddr, memorySize, userspaceAddr, readonly = false } = region
  const aligned = [guestPhysAddr, memorySize, userspaceAddr].every(value => value % PAGE_SIZE === 0)
  if (!aligned) throw new KvmError('EINVAL', 'a memory region starts and ends at page boundaries')
  if (userspaceAddr + memorySize > kvmStateOf(machine).lowestHostPage)
    throw new KvmError('ENOMEM', 'the machine has less memory than the region')
  const overlaps = vm.slots.some(
    other => other.slot !== slot && guestPhysAddr < other.guestPhysical + other.size && other.guestPhysical < guestPhysAddr + memorySize,
  )
  if (overlaps) throw new KvmError('EEXIST', 'the region overlaps another slot')
  vm.slots = [
    ...vm.slots.filter(other => other.slot !== slot),
    { slot, guestPhysical: guestPhysAddr, size: memorySize, hostPhysical: userspaceAddr, readonly },
  ]
}

function writeMemory(machine: RootMachine, vm: VmState, guestPhysical: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    const host = hostAddress(vm, guestPhysical + done)
    if (host < 0) throw new KvmError('EFAULT', `guest-physical address 0x${(guestPhysical + done).toString(16)} lies in no memory slot`)
    const chunk = Math.min(bytes.length - done, PAGE_SIZE - ((guestPhysical + done) % PAGE_SIZE))
    machine.memory.writeBytes(host, bytes.subarray(done, done + chunk))
    done += chunk
  }
}
