/**
 * KVM's handles, with methods named after the ioctls. They hold no state: everything is plain data in `machine.host`, found anew
 * at each call, so that a restored snapshot needs no new handles.
 */

import { assert } from '../base/assert.ts'
import { PAGE_SIZE } from '../base/units.ts'
import type { RootCpu, RootMachine } from '../hw/root-cpu.ts'
import { MSRS } from '../spec/msrs.ts'
import { inhibitBit } from './apicv.ts'
import { type Context, contextOf, kvmStateOf, type VmContext } from './context.ts'
import { type CpuidEntry, hasFeature, supportedCpuid } from './cpuid.ts'
import type { DefectName } from './defects.ts'
import { completeMmio } from './emulate.ts'
import { KvmError } from './error.ts'
import type { KvmExit } from './exit-reason.ts'
import { initializeHostTimer, noHostTimers } from './host-timer.ts'
import { completeIo } from './io.ts'
import { type IrqRoute, newIrqchip, setIrq } from './irqchip.ts'
import { resetApic } from './lapic.ts'
import { allocateHostPage, hostAddress } from './mmu.ts'
import { getMsrs, type MsrEntry, setMsrs } from './msr-ioctls.ts'
import { getFeatureMsrs, msrFeatureIndexList, msrIndexList } from './msr-lists.ts'
import { followCpuid, nestedVmxMsrs, withoutGuestTimer } from './nested/capabilities.ts'
import { newNestedState } from './nested/nested-state.ts'
import { getNestedState, type NestedStateImage, setNestedState } from './nested/nested-state-ioctls.ts'
import { DEFAULT_PARAMETERS, type KvmParameters } from './parameters.ts'
import { type KvmPit, newKvmPit, pitChanged } from './pit.ts'
import { type Registers, type SpecialRegisters, setRegisters, setSpecialRegisters } from './registers.ts'
import { resetVcpu } from './startup.ts'
import type { KvmState, LapicTimerState, VcpuState, VmState } from './state.ts'
import { newStatistics, type Statistics } from './statistics.ts'
import { type StepResult, step } from './step.ts'
import { initialAdvance } from './timer-advance.ts'
import { MULTIPLIER_ONE, setGuestTsc } from './tsc.ts'
import {
  changeTscOffset,
  getLapic,
  getRegisters,
  getSpecialRegisters,
  getVcpuEvents,
  setGuestDebug,
  setLapic,
  setTscKhz,
  setVcpuEvents,
  type VcpuEvents,
} from './vcpu-ioctls.ts'
import * as virtTimer from './virt-timer.ts'
import { initializeVmcs } from './vmcs01.ts'
import { canWake } from './wake-up.ts'

const VMCS_REVISION_MASK = 0x7fff_ffffn
const VMX_BASIC = 0x480
const APIC_BASE_AT_RESET = 0xfee0_0800n
const BOOTSTRAP = 0x100n
const PAT_AT_RESET = 0x0007_0406_0007_0406n

export interface Kvm {
  readonly parameters: KvmParameters
  /** The MSRs that belong to a vCPU's state. */
  getMsrIndexList(): number[]
  /** The MSRs that tell what KVM can do, and their values. */
  getMsrFeatureIndexList(): number[]
  getMsrs(indices: readonly number[]): MsrEntry[]
  createVm(): Vm
  /** The VM that a restored state contains. */
  vm(index: number): Vm
}

export interface Vm {
  /** Local APICs, an I/O APIC and the 8259 pair in the kernel. */
  createIrqchip(): void
  /** The 8254 in the kernel. */
  createPit2(): void
  /** KVM_PIT_FLAGS_HPET_LEGACY: whether user space's HPET drives line 0 instead. */
  setPit2(flags: Pick<KvmPit, 'hpetLegacy'>): void
  /** Where each line is wired to, instead of what was so before. */
  setGsiRouting(routes: readonly IrqRoute[]): void
  /** KVM_IRQ_LINE: user space drives the line high or low. */
  irqLine(gsi: number, high: boolean): void
  /** Whether a vCPU that is halted could go on by itself, or by one of these lines: if not, the VM waits for ever. */
  canWake(lines: number): boolean
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

export interface Vcpu {
  readonly id: number
  setCpuid2(entries: readonly CpuidEntry[]): void
  setRegs(registers: Registers): void
  setSregs(registers: SpecialRegisters): void
  /** How many of the MSRs were set: the first that KVM refuses ends it. */
  setMsrs(entries: readonly MsrEntry[]): number
  /** The values up to the first MSR that KVM does not have. */
  getMsrs(indices: readonly number[]): MsrEntry[]
  getRegs(): Registers
  getSregs(): SpecialRegisters
  /** The 1 KByte of registers; EINVAL without an in-kernel local APIC. */
  getLapic(): Uint8Array
  setLapic(bytes: Uint8Array): void
  getVcpuEvents(): VcpuEvents
  setVcpuEvents(events: VcpuEvents): void
  getNestedState(): NestedStateImage
  /** EINVAL for a state that no guest can have come to. */
  setNestedState(state: NestedStateImage): void
  /** EINVAL beyond what the CPU can scale to. */
  setTscKhz(khz: number): void
  getTscKhz(): number
  /** The attribute KVM_VCPU_TSC_OFFSET. */
  getTscOffset(): bigint
  setTscOffset(offset: bigint): void
  /** Of KVM_SET_GUEST_DEBUG the flag KVM_GUESTDBG_BLOCKIRQ: no interrupts for the guest, and no APICv, until it is taken back. */
  setGuestDebug(flags: { readonly blockIrq: boolean }): void
  /** KVM_GET_STATS_FD: the counters, as they are now. */
  getStats(): Statistics
  /** One bounded step of KVM_RUN: the caller alternates it with `machine.run`. */
  step(): StepResult
  /** Why KVM_RUN returned last. */
  exit(): KvmExit
  /** Enters KVM_RUN again after an exit, with the data that user space supplied for a read. */
  resume(data?: number | bigint): void
}

/** Loads KVM on a machine: VMXON on every CPU. */
export function openKvm(machine: RootMachine, parameters: Partial<KvmParameters> = {}, defects: readonly DefectName[] = []): Kvm {
  if (machine.host === null) initialize(machine, { ...DEFAULT_PARAMETERS, ...parameters }, defects)
  return {
    parameters: kvmStateOf(machine).parameters,
    getMsrIndexList: () => msrIndexList(machine),
    getMsrFeatureIndexList: () => msrFeatureIndexList(machine),
    getMsrs: indices => getFeatureMsrs(machine, indices),
    createVm: () => createVm(machine),
    vm: index => vmHandle(machine, index),
  }
}

function initialize(machine: RootMachine, parameters: KvmParameters, defects: readonly DefectName[]): void {
  const [cpu] = machine.cpus
  const nested = parameters.nested && hasFeature(supportedCpuid(cpu!, true), 'vmx')
  const state: KvmState = {
    parameters: { ...parameters, nested },
    ...(defects.length === 0 ? {} : { defects }),
    lowestHostPage: machine.memory.size,
    vms: [],
    hostTimers: machine.cpus.map(noHostTimers),
    nestedMsrs: nested ? nestedVmxMsrs(msr => capability(cpu!, msr), parameters) : {},
  }
  followCpuid(state.nestedMsrs, supportedCpuid(cpu!, nested))
  machine.host = state
  for (const cpu of machine.cpus) {
    const region = newVmcsPage(machine, cpu.rdmsr(VMX_BASIC))
    if (cpu.vmxon(region).kind !== 'succeeded') throw new KvmError('ENXIO', 'VMXON failed')
    initializeHostTimer(cpu)
  }
}

/** A capability MSR of the processor; what it does not have offers nothing. */
function capability(cpu: RootCpu, msr: number): bigint {
  const hasTertiary = virtTimer.hasTertiaryControls(cpu)
  return msr === MSRS.MSR_IA32_VMX_PROCBASED_CTLS3.index && !hasTertiary ? 0n : cpu.rdmsr(msr)
}

function newVmcsPage(machine: RootMachine, basic: bigint): number {
  const page = allocateHostPage(machine)
  machine.memory.write32(page, Number(basic & VMCS_REVISION_MASK))
  return page
}

function createVm(machine: RootMachine): Vm {
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

function vmHandle(machine: RootMachine, index: number): Vm {
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
    setPit2: ({ hpetLegacy }) => {
      requirePit(state()).hpetLegacy = hpetLegacy
      pitChanged(context())
    },
    setGsiRouting: routes => {
      requireChips(state()).routes = routes.map(route => ({ ...route }))
    },
    irqLine: (gsi, high) => {
      requireChips(state())
      setIrq(context(), 'user', gsi, high)
    },
    canWake: lines => canWake(context(), lines),
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

const newLapicTimer = ({ lapic_timer_advance }: KvmParameters): LapicTimerState => ({
  mode: 'one-shot',
  tscDeadline: 0n,
  periodNs: 0,
  pending: 0,
  hvTimerInUse: false,
  hvDeadline: 0n,
  apicVirtTimerInUse: false,
  advanceNs: initialAdvance(lapic_timer_advance),
  expiredDeadline: 0n,
})

function createVcpu(machine: RootMachine, vmIndex: number, vm: VmState, id: number): Vcpu {
  if (vm.vcpus.some(vcpu => vcpu.id === id)) throw new KvmError('EEXIST', `vCPU ${id} exists`)
  const kvm = kvmStateOf(machine)
  const physical = id
  const cpu = machine.cpus[physical]
  if (cpu === undefined) throw new KvmError('EINVAL', `the machine has ${machine.cpus.length} CPU, and a vCPU is pinned to one`)
  const vcpu: VcpuState = {
    id,
    cpu: physical,
    phase: 'enter',
    exit: null,
    vmcs01: newVmcsPage(machine, cpu.rdmsr(VMX_BASIC)),
    launched: false,
    msrBitmap: allocateHostPage(machine),
    apicPage: allocateHostPage(machine),
    apicBase: id === 0 ? APIC_BASE_AT_RESET | BOOTSTRAP : APIC_BASE_AT_RESET,
    apicvActive: vm.apicvInhibits === 0,
    blockIrq: false,
    timer: newLapicTimer(kvm.parameters),
    tscKhz: machine.tscKhz,
    tscOffset: 0n,
    tscMultiplier: MULTIPLIER_ONE,
    featureControl: 0n,
    cr0: 0n,
    cr4: 0n,
    efer: 0n,
    cpuid: supportedCpuid(cpu, kvm.parameters.nested),
    msrs: {},
    exception: null,
    injected: null,
    nmiPending: false,
    mpState: id === 0 ? 'runnable' : 'wait-for-sipi',
    initPending: false,
    startUpVector: -1,
    scanIoApic: false,
    emulation: null,
    immediateExit: false,
    nested: newNestedState(machine, vm.irqchip ? { ...kvm.nestedMsrs } : withoutGuestTimer(kvm.nestedMsrs)),
    halt: { pollNs: 0, since: 0n, pollUntil: 0n, sleptAt: 0n },
    stats: newStatistics(),
  }
  vm.vcpus.push(vcpu)
  const c = contextOf(machine, physical)
  assert(c.vm === vm, 'the vCPU belongs to its VM')
  const basic = cpu.rdmsr(VMX_BASIC)
  machine.memory.write32(vcpu.nested.vmcs02, Number(basic & VMCS_REVISION_MASK))
  cpu.vmclear(vcpu.nested.vmcs02)
  cpu.vmclear(vcpu.vmcs01)
  cpu.vmptrld(vcpu.vmcs01)
  resetApic(c)
  initializeVmcs(c)
  resetVcpu(c)
  cpu.vmwrite('GUEST_IA32_PAT', PAT_AT_RESET)
  setGuestTsc(c, 0n)
  return vcpuHandle(machine, vmIndex, id)
}

function vcpuHandle(machine: RootMachine, vmIndex: number, id: number): Vcpu {
  const context = (): Context => {
    const vcpu = kvmStateOf(machine).vms[vmIndex]?.vcpus.find(candidate => candidate.id === id)
    if (vcpu === undefined) throw new KvmError('ENOENT', `there is no vCPU ${id}`)
    return contextOf(machine, vcpu.cpu)
  }
  return {
    id,
    setCpuid2: entries => {
      const { vcpu } = context()
      vcpu.cpuid = entries.map(entry => ({ ...entry }))
      followCpuid(vcpu.nested.msrs, vcpu.cpuid)
    },
    setRegs: registers => setRegisters(context(), registers),
    setSregs: registers => setSpecialRegisters(context(), registers),
    setMsrs: entries => setMsrs(context(), entries),
    getMsrs: indices => getMsrs(context(), indices),
    getRegs: () => getRegisters(context()),
    getSregs: () => getSpecialRegisters(context()),
    getLapic: () => getLapic(context()),
    setLapic: bytes => setLapic(context(), bytes),
    getVcpuEvents: () => getVcpuEvents(context()),
    setVcpuEvents: events => setVcpuEvents(context(), events),
    getNestedState: () => getNestedState(context()),
    setNestedState: state => setNestedState(context(), state),
    setTscKhz: khz => setTscKhz(context(), khz),
    getTscKhz: () => context().vcpu.tscKhz,
    getTscOffset: () => context().vcpu.tscOffset,
    setTscOffset: offset => changeTscOffset(context(), offset),
    setGuestDebug: ({ blockIrq }) => setGuestDebug(context(), blockIrq),
    getStats: () => ({ ...context().vcpu.stats }),
    step: () => step(machine, context().vcpu.cpu),
    exit: () => {
      const { exit } = context().vcpu
      if (exit === null) throw new KvmError('EINVAL', 'KVM_RUN has not returned')
      return exit
    },
    resume: data => resume(context(), data ?? 0),
  }
}

function resume(c: Context, data: number | bigint): void {
  const { vcpu } = c
  if (vcpu.phase !== 'user' || vcpu.exit === null) throw new KvmError('EINVAL', 'KVM_RUN has not returned')
  if (vcpu.exit.reason === 'KVM_EXIT_IO') completeIo(c, Number(data))
  if (vcpu.exit.reason === 'KVM_EXIT_MMIO' && !vcpu.exit.write) completeMmio(c, BigInt(data))
  vcpu.exit = null
  vcpu.phase = 'enter'
}
